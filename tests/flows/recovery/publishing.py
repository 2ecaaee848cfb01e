"""A backend of the tests that records what it publishes, and one that publishes in the plain way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hornet.broker.client import connect, parse_url
from hornet.broker.history import HistoryStore, Publication
from hornet.broker.keys import channel_topic
from hornet.broker.settings import HistorySettings

DEEP = HistorySettings(history_count=10_000)


class Recording:
    """Publishes on topics: recorded, or plain."""

    def __init__(self, url: str, settings: HistorySettings) -> None:
        self._client = connect(parse_url(url), 5.0)
        self.store = HistoryStore(self._client, settings)

    async def record(self, topic: str, *bodies: object) -> None:
        """Publish ``bodies`` in order, each recorded."""
        await self.store.publish([Publication(topic, json.dumps(body)) for body in bodies])

    async def plain(self, topic: str, *bodies: object) -> None:
        for body in bodies:
            await self._client.publish(topic, json.dumps(body))

    async def number(self, channel: str, *numbers: int) -> None:
        """Record messages with these numbers as their types on a channel."""
        await self.record(channel_topic(channel), *({"type": str(number)} for number in numbers))

    async def close(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def recording(url: str, settings: HistorySettings = DEEP) -> AsyncIterator[Recording]:
    backend = Recording(url, settings)
    await backend.store.load()
    try:
        yield backend
    finally:
        await backend.close()
