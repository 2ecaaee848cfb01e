"""Operations on the node that is asked, for who runs it."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from msgspec import Meta

from hornet.core import codes
from hornet.core.errors import SetupError
from hornet.flows.process.reloading import Reloading
from hornet.web.api.fields import Answer
from hornet.web.api.keys import Right
from hornet.web.api.operation import Call, Nothing, Operation
from hornet.web.api.problems import Problem

log = logging.getLogger(__name__)

Changed = Annotated[list[str], Meta(description="Options that hold from now on.")]
NeedRestart = Annotated[list[str], Meta(description="Options that differ, but need a restart.")]


class Reloaded(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """What reading the configuration again changed, by the names of options."""

    changed: Changed
    need_restart: NeedRestart


class Administration:
    """Has the node read its configuration again."""

    def __init__(self, reloading: Reloading[Any]) -> None:
        self._reloading = reloading

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "reload", "POST", "/api/reload", Right.ADMIN, "Read the configuration of this node again",
                self._reload, Reloaded, refusals=(codes.BAD_CONFIGURATION,),
            ),
        ]  # fmt: skip

    async def _reload(self, call: Call[Nothing, Nothing]) -> Reloaded:
        try:
            outcome = await self._reloading.run()
        except SetupError as error:
            log.error("The configuration stays as it was: %s", error)
            raise Problem(codes.BAD_CONFIGURATION, str(error)) from None
        return Reloaded(changed=list(outcome.changed), need_restart=list(outcome.need_restart))
