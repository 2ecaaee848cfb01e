"""The replay of what a session missed: each message as it was sent then, if it was for this session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable

from hornet.broker.keys import USER_PREFIX, channel_of
from hornet.core.backend_commands import Notify, parse_user_command
from hornet.core.errors import InvalidPublish
from hornet.core.history import Offset
from hornet.core.message_limit import MessageLimit
from hornet.core.message_ring import RingEntry
from hornet.core.messages import Message, parse_publish
from hornet.core.past import is_for
from hornet.engine import Engine, PreparedMessage
from hornet.flows.sessions.sessions import Session
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

KEEP_S = 1.0
"""How long a message is kept for the next who missed it."""

MAX_PREPARED = 5_000


class Replay:
    """Sends sessions what they missed."""

    def __init__(self, *, engine: Engine, limit: MessageLimit, metrics: Metrics) -> None:
        self._engine = engine
        self._limit = limit
        self._metrics = metrics
        self._prepared: dict[tuple[str, bytes], tuple[Message, PreparedMessage]] = {}

    def send(
        self, session: Session, names: Collection[str], entries: Iterable[tuple[RingEntry, Offset]]
    ) -> None:
        """Queue the messages for the session, which has the ``names``, each with the offset after it.

        A malformed publish was counted when it arrived, and is left out.
        """
        for entry, offset in entries:
            try:
                self._limit.check(entry.payload)
                self._send(session, names, entry, str(offset))
            except (InvalidPublish, ValueError):
                log.debug("A missed publish of %d bytes is malformed", len(entry.payload))

    def _send(self, session: Session, names: Collection[str], entry: RingEntry, offset: str) -> None:
        if entry.topic.startswith(USER_PREFIX):
            command = parse_user_command(entry.payload)
            if isinstance(command, Notify):
                self._engine.send(session.sid, command.event, command.payload, offset=offset)
                self._metrics.replayed.inc()
            return
        message, prepared = self._prepare(entry.topic, entry.payload)
        if is_for(message, names):
            self._engine.tell(session.sid, prepared, offset=offset)
            self._metrics.replayed.inc()

    def _prepare(self, topic: str, payload: bytes) -> tuple[Message, PreparedMessage]:
        """Return a message that is parsed and encoded once for all who come back at this time."""
        known = self._prepared.get((topic, payload))
        if known is None:
            if not self._prepared:
                asyncio.get_running_loop().call_later(KEEP_S, self._prepared.clear)
            elif len(self._prepared) >= MAX_PREPARED:
                self._prepared.pop(next(iter(self._prepared)))
            message = parse_publish(channel_of(topic), payload)
            known = self._prepared[topic, payload] = (message, PreparedMessage(message))
        return known
