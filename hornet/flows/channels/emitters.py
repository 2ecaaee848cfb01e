"""Events from processes with a Socket.IO emitter. Its rooms are channels of Hornet, or single sessions."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hornet.broker.emitter_packets import Emit, parse_emit
from hornet.broker.keys import EMITTERS_GLOB
from hornet.broker.subscriber import Subscriber
from hornet.core import codes
from hornet.core.errors import InvalidPublish
from hornet.core.message_limit import MessageLimit
from hornet.core.sessions import AuthState
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Sessions
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

NAMESPACE = "/"


class Emitters:
    """Delivers emits to sessions of this node. A malformed emit is dropped, counted and logged."""

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        subscriber: Subscriber,
        limit: MessageLimit,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._subscriber = subscriber
        self._limit = limit
        self._metrics = metrics

    async def start(self) -> None:
        """Subscribe to the topics of emitters."""
        await self._subscriber.subscribe_pattern(EMITTERS_GLOB)

    def receive(self, glob: str, topic: str, payload: bytes) -> None:
        """Deliver one emit, or drop it. Its rooms are in the payload; the topic may name only one of them."""
        try:
            self._limit.check(payload)
            emit = parse_emit(payload)
            if emit.namespace == NAMESPACE:
                self._deliver(emit)
        except InvalidPublish as error:
            self._metrics.dropped.labels(error.code).inc()
            log.warning("Dropped %d bytes of an emitter: %s", len(payload), error.detail)

    def receive_request(self, topic: str, payload: bytes) -> None:
        """Carry out one request of a python-socketio process, or drop it."""
        try:
            self._limit.check(payload)
            self._engine.receive(payload)
        except (InvalidPublish, ValueError) as error:
            is_long = isinstance(error, InvalidPublish)
            self._metrics.dropped.labels(codes.TOO_LARGE if is_long else codes.NOT_A_REQUEST).inc()
            log.warning("Dropped %d bytes on %r: %s", len(payload), topic, error)

    def _deliver(self, emit: Emit) -> None:
        sids = self._in_rooms(emit.rooms) if emit.rooms else self._admitted()
        try:
            count = self._engine.emit(sids - self._in_rooms(emit.exclude), emit.event, *emit.args)
        except (ValueError, TypeError) as error:
            raise InvalidPublish(codes.NOT_AN_EMIT, f"its arguments can't be sent ({error})") from None
        self._metrics.messages.inc()
        self._metrics.deliveries.inc(count)

    def _in_rooms(self, names: Iterable[str]) -> set[str]:
        sids: set[str] = set()
        for name in names:
            if self._sessions.get(name) is not None:
                sids.add(name)
            sids.update(self._engine.members(room_of(name)))
        return sids

    def _admitted(self) -> set[str]:
        """Return all sessions with a valid credential; the others must not receive anything."""
        return {session.sid for session in self._sessions.all() if session.state is AuthState.READY}
