"""Tests don't see each other: what a test leaves in Redis is gone before the next test begins."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis
from redis.client import Redis as SyncRedis

from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S


@pytest.fixture(scope="module")
def left_open() -> Iterator[ExitStack]:
    """Connections that a test forgets to close."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_test_finds_an_empty_valkey_whatever_the_one_before_left(
    valkey: Valkey, redis: Redis, left_open: ExitStack, turn: int
) -> None:
    assert await redis.dbsize() == 0
    assert await redis.pubsub_channels() == []
    await redis.zadd("hornet:nodes", {"a node that was killed": turn})
    subscription = left_open.enter_context(left_open.enter_context(SyncRedis(port=valkey.port)).pubsub())
    subscription.subscribe("hornet")
    assert subscription.get_message(timeout=DEADLINE_S) is not None
    assert await redis.pubsub_channels() == [b"hornet"]
