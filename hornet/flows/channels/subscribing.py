"""The events by which clients subscribe and unsubscribe: to a pattern, or to a channel by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hornet.core import codes
from hornet.flows.sessions.router import RefusedEvent, Router
from hornet.flows.sessions.sessions import Session

SUBSCRIBE = "hornet:subscribe"
UNSUBSCRIBE = "hornet:unsubscribe"


class Subscribable(Protocol):
    """What sessions can be subscribed to. Each answer is what the client's acknowledgement gets."""

    async def subscribe(self, session: Session, shown: Mapping[str, object]) -> Mapping[str, object]: ...

    async def unsubscribe(self, session: Session, shown: Mapping[str, object]) -> Mapping[str, object]: ...


class Subscribing:
    """Hands a request that has ``pattern`` to the patterns, one that has ``channel`` to the channels.

    Sessions that are not in yet may ask: a signature or a token with the request lets them in. It is for
    whoever is asked to refuse those without.
    """

    def __init__(self, router: Router, **kinds: Subscribable) -> None:
        self._kinds = kinds
        router.on(SUBSCRIBE, self._subscribe, needs_authentication=False)
        router.on(UNSUBSCRIBE, self._unsubscribe, needs_authentication=False)

    async def _subscribe(self, session: Session, args: Sequence[object]) -> Mapping[str, object]:
        asked, shown = self._find(args)
        return await asked.subscribe(session, shown)

    async def _unsubscribe(self, session: Session, args: Sequence[object]) -> Mapping[str, object]:
        asked, shown = self._find(args)
        return await asked.unsubscribe(session, shown)

    def _find(self, args: Sequence[object]) -> tuple[Subscribable, Mapping[str, object]]:
        shown = args[0] if args else None
        if isinstance(shown, Mapping):
            named = [kind for field, kind in self._kinds.items() if field in shown]
            if len(named) == 1:
                return named[0], shown
        fields = " or ".join(f"'{field}'" for field in self._kinds)
        raise RefusedEvent(codes.WRONG_PARAMETERS, f"The argument is no object with {fields}")
