"""Messages that clients publish: where they were granted to, and no faster than they may.

They go through Redis like those of a backend, so every node delivers them, in one order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hornet.broker.client import Client, call
from hornet.broker.keys import channel_topic
from hornet.core.channels import Names
from hornet.core.client_publishes import parse_client_publish
from hornet.core.limits import RateLimiter
from hornet.flows.sessions.router import RefusedEvent, Router
from hornet.flows.sessions.sessions import Session
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics

PUBLISH = "hornet:publish"

FORBIDDEN = "FORBIDDEN"
RATE_LIMITED = "RATE_LIMITED"


class ClientPublishing:
    """Answers ``hornet:publish``."""

    def __init__(
        self, settings: ChannelSettings, client: Client, router: Router, signals: Signals, metrics: Metrics
    ) -> None:
        self.settings = settings
        """May be replaced at any time."""
        self._client = client
        self._metrics = metrics
        self._paces: dict[Session, RateLimiter] = {}
        router.on(PUBLISH, self.publish)
        signals.session_closed.connect(self._on_session_closed)

    async def publish(self, session: Session, args: Sequence[object]) -> dict[str, object]:
        """Publish one message for a client; the answer comes when Redis has it.

        Raises:
            PeerError: ``BAD_CHANNEL``, ``BAD_MESSAGE``, ``FORBIDDEN`` or ``RATE_LIMITED``.
            RedisUnavailable: not known whether it was published.
        """
        wanted = parse_client_publish(args[0] if args else None)
        if wanted.channel not in Names(session.publish):
            raise RefusedEvent(FORBIDDEN, "Nothing that the session showed lets it publish on this channel")
        text = wanted.text(session.sid, session.user, self.settings.max_publish_bytes)
        if not self._offer(session):
            raise RefusedEvent(
                RATE_LIMITED,
                f"A session publishes {self.settings.max_publish_rate:g} messages a second at most",
            )
        await call(self._client.publish, channel_topic(wanted.channel), text)
        self._metrics.client_messages.inc()
        return {"ok": True}

    def _offer(self, session: Session) -> bool:
        per_s, now = self.settings.max_publish_rate, asyncio.get_running_loop().time()
        pace = self._paces.get(session)
        if pace is None:
            pace = self._paces[session] = RateLimiter(per_s, now)
        return pace.offer(per_s, now)

    def _on_session_closed(self, session: Session, reason: str) -> None:
        self._paces.pop(session, None)
