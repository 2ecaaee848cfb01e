"""A history in Redis for tests that read one, and messages in it."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.history import HistoryStore, Publication
from hornet.broker.keys import channel_topic
from hornet.broker.settings import HistorySettings
from hornet.core.history import StreamPosition
from hornet.core.jsontext import dump_json


@pytest.fixture
async def store(redis: Redis) -> HistoryStore:
    store = HistoryStore(redis, HistorySettings())
    await store.load()
    return store


async def record(store: HistoryStore, channel: str, *messages: dict[str, Any]) -> list[StreamPosition]:
    """Publish messages that Redis records, and return their positions."""
    texts = [dump_json({"type": "news", **message}) for message in messages]
    recorded = await store.publish([Publication(channel_topic(channel), text) for text in texts])
    return [entry.position for entry in recorded if entry.position]
