"""Events of the operator's own choice, which clients emit for plug-ins and for backends."""

from __future__ import annotations

from collections.abc import Sequence

from hornet.broker.client import Client, call
from hornet.broker.keys import client_event_topic
from hornet.core.client_publishes import dump_client_event
from hornet.flows.sessions.publish_rate import check_publish_rate
from hornet.flows.sessions.sessions import Session
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics


class ClientEvents:
    """Passes on the events that ``client_events`` names: by a signal, and through Redis where that is on."""

    def __init__(
        self,
        *,
        settings: ChannelSettings,
        is_published: bool,
        client: Client,
        node: str,
        signals: Signals,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._is_published = is_published
        self._client = client
        self._node = node
        self._signals = signals
        self._metrics = metrics

    def configure(self, settings: ChannelSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings

    async def on_event(self, event: str, session: Session, args: Sequence[object]) -> dict[str, object]:
        """Pass one event on. Where it is published, answer when Redis has it.

        Raises:
            PeerError: ``BAD_MESSAGE``, ``TOO_LARGE`` or ``RATE_LIMITED``; no plug-in and no backend gets
                the event.
            RedisUnavailable: it is not known whether backends got the event; plug-ins did not.
        """
        if self._is_published:
            await self._publish(event, session, args)
        self._signals.client_event.send(session, event, args)
        return {"ok": True}

    async def _publish(self, event: str, session: Session, args: Sequence[object]) -> None:
        check_publish_rate(session, self._settings.max_publish_rate)
        text = dump_client_event(
            args,
            sid=session.sid,
            user=session.user,
            node=self._node,
            max_bytes=min(self._settings.max_publish_bytes, self._settings.max_message_bytes),
        )
        await call(self._client.publish, client_event_topic(event), text)
        self._metrics.client_messages.inc()
