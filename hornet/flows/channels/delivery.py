"""Delivery of published messages: from a topic of Redis to the sessions in the room of its channel."""

from __future__ import annotations

import logging
from time import perf_counter

from hornet.broker.keys import CONTROL_TOPIC, channel_of
from hornet.core.backend_commands import parse_control
from hornet.core.errors import InvalidPublish
from hornet.core.message_limit import MessageLimit
from hornet.core.messages import Message, parse_publish
from hornet.engine import Engine
from hornet.flows.backend.token_revocation import TokenRevocation
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Sessions
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class ChannelDelivery:
    """Receives the topics of channels. A malformed publish is dropped, counted and logged."""

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        revocation: TokenRevocation,
        limit: MessageLimit,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._revocation = revocation
        self._limit = limit
        self._metrics = metrics

    def receive(self, topic: str, payload: bytes) -> None:
        """Queue one publish for every session that may see it, or drop it; carry out control messages."""
        channel = channel_of(topic)
        began = perf_counter()
        try:
            self._limit.check(payload)
            if topic == CONTROL_TOPIC:
                self._revocation.handle(parse_control(payload))
            else:
                self.deliver(room_of(channel), parse_publish(channel, payload))
        except InvalidPublish as error:
            self._metrics.dropped.labels(error.code).inc()
            log.warning("Dropped a publish of %d bytes on %r: %s", len(payload), channel, error.detail)
        self._metrics.fanout_time.observe(perf_counter() - began)

    def deliver(self, room: str, message: Message) -> None:
        """Queue a message for the members of a room, as its ``only`` and ``except`` select them."""
        self._metrics.messages.inc()
        only = None if message.only is None else self._sessions.sids_with_tokens(message.only)
        skip = self._sessions.sids_with_tokens(message.exclude) if message.exclude else ()
        count = self._engine.fan_out(room, message, only=only, skip=skip)
        self._metrics.deliveries.inc(count)
