"""The replay of what a session missed: each message as it was sent then, if it was for this session."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from hornet.broker.keys import USER_PREFIX, channel_of
from hornet.core.backend_commands import Notify, parse_user_command
from hornet.core.errors import InvalidPublish
from hornet.core.history import Offset
from hornet.core.message_limit import MessageLimit
from hornet.core.message_ring import RingEntry
from hornet.core.messages import parse_publish
from hornet.core.past import is_for
from hornet.engine import Engine
from hornet.flows.sessions.sessions import Session
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class Replay:
    """Sends sessions what they missed."""

    def __init__(self, *, engine: Engine, limit: MessageLimit, metrics: Metrics) -> None:
        self._engine = engine
        self._limit = limit
        self._metrics = metrics

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
        message = parse_publish(channel_of(entry.topic), entry.payload)
        if is_for(message, names):
            self._engine.tell(session.sid, message, offset=offset)
            self._metrics.replayed.inc()
