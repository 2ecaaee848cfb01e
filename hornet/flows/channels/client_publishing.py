"""Messages that clients publish, on the channels that their tokens grant, and within their rate.

They go through Redis like those of a backend, so every node delivers them, and all nodes in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

from hornet.broker.history import HistoryStore, Publication
from hornet.broker.keys import channel_topic
from hornet.core import codes
from hornet.core.client_publishes import parse_client_publish
from hornet.flows.sessions.publish_rate import check_publish_rate
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics


class ClientPublishing:
    """Answers ``hornet:publish``."""

    def __init__(self, *, settings: ChannelSettings, history: HistoryStore, metrics: Metrics) -> None:
        self._settings = settings
        self._history = history
        self._metrics = metrics

    def configure(self, settings: ChannelSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings

    async def publish(self, session: Session, args: Sequence[object]) -> dict[str, object]:
        """Publish one message for a client; answer when Redis has it, with its position if it is recorded.

        Raises:
            PeerError: ``BAD_CHANNEL``, ``BAD_MESSAGE``, ``TOO_LARGE``, ``FORBIDDEN`` or ``RATE_LIMITED``.
            RedisUnavailable: not known whether it was published.
        """
        check_publish_rate(session, self._settings.max_publish_rate)
        publish = parse_client_publish(args[0] if args else None)
        if publish.channel not in session.publish:
            raise RefusedEvent(
                codes.FORBIDDEN, "Nothing that the session showed lets it publish on this channel"
            )
        max_bytes = min(self._settings.max_publish_bytes, self._settings.max_message_bytes)
        text = publish.text(session.sid, session.user, max_bytes)
        [recorded] = await self._history.publish([Publication(channel_topic(publish.channel), text)])
        self._metrics.client_messages.inc()
        return {"ok": True} if recorded.position is None else {"ok": True, "position": str(recorded.position)}
