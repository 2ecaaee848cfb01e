"""Operations on the node that receives the request, for its operator."""

from __future__ import annotations

import logging
from typing import Annotated

from msgspec import Meta

from hornet.core import codes
from hornet.core.errors import SetupError
from hornet.web.api.auth import Right
from hornet.web.api.fields import Answer
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import Problem

log = logging.getLogger(__name__)

ChangedOptions = Annotated[list[str], Meta(description="Options that hold from now on.")]
NeedRestart = Annotated[list[str], Meta(description="Options that differ, but need a restart.")]


class Reloaded(Answer, frozen=True, kw_only=True, omit_defaults=False):
    """What reading the configuration again changed, by the names of options."""

    changed: ChangedOptions
    need_restart: NeedRestart


async def reload(services: ApiServices, call: Call[Nothing, Nothing]) -> Reloaded:
    """Read the configuration again, as the signal SIGHUP does."""
    try:
        outcome = await services.reloading.run()
    except SetupError as error:
        log.error("The configuration stays as it was: %s", error)
        raise Problem(codes.BAD_CONFIGURATION, str(error)) from None
    return Reloaded(changed=list(outcome.changed), need_restart=list(outcome.need_restart))


OPERATIONS = (
    Operation(
        name="reload",
        method="POST",
        path="/api/reload",
        right=Right.ADMIN,
        summary="Read the configuration of this node again",
        handler=reload,
        answer=Reloaded,
        refusals=(codes.BAD_CONFIGURATION,),
    ),
)
