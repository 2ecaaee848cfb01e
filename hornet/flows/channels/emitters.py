"""Events from processes with a Socket.IO emitter: a room of theirs is a channel of ours, or one session."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hornet.broker.emitter_packets import Emit, parse_emit
from hornet.broker.keys import EMITTERS_GLOB
from hornet.broker.subscriber import Subscriber
from hornet.core import codes
from hornet.core.errors import InvalidPublish
from hornet.core.sessions import AuthState
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Sessions
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

NAMESPACE = "/"


class Emitters:
    """Delivers emits to sessions of this node. Malformed ones are dropped, counted and logged."""

    def __init__(
        self, *, engine: Engine, sessions: Sessions, subscriber: Subscriber, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._subscriber = subscriber
        self._metrics = metrics

    async def start(self) -> None:
        """Hear emitters from now on."""
        await self._subscriber.subscribe_pattern(EMITTERS_GLOB)

    def receive(self, glob: str, topic: str, payload: bytes) -> None:
        """Handle one body to its end. The rooms that count are in it; the topic only names one of them."""
        try:
            emit = parse_emit(payload)
            if emit.namespace == NAMESPACE:
                self._deliver(emit)
        except InvalidPublish as error:
            self._metrics.dropped.labels(error.code).inc()
            log.warning("Dropped %d bytes of an emitter: %s", len(payload), error.detail)

    def _deliver(self, emit: Emit) -> None:
        sids = self._in_rooms(emit.rooms) if emit.rooms else self._admitted()
        try:
            count = self._engine.emit(sids - self._in_rooms(emit.exclude), emit.event, *emit.args)
        except (ValueError, TypeError) as error:
            raise InvalidPublish(codes.NOT_AN_EMIT, f"its arguments can't be sent ({error})") from None
        self._metrics.messages.inc()
        self._metrics.deliveries.inc(count)

    def _in_rooms(self, names: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for name in names:
            if self._sessions.get(name) is not None:
                found.add(name)
            found.update(self._engine.members(room_of(name)))
        return found

    def _admitted(self) -> set[str]:
        """Everyone who has shown a valid credential: who has not is a stranger."""
        return {session.sid for session in self._sessions.all() if session.state is AuthState.READY}
