"""Pending removals: a session is removed in the end, also when Redis is away meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client, connect
from hornet.broker.url import RedisUrl
from hornet.broker.users import UserStore
from hornet.core.errors import RedisUnavailable
from hornet.flows.users import pending_removals as module
from hornet.flows.users.pending_removals import PendingRemovals
from tests.broker.conftest import own_redis, start_redis
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually

__all__ = ["own_redis", "start_redis"]


@pytest.fixture
async def client(own_redis: RedisServer) -> AsyncIterator[Client]:
    client = connect(RedisUrl(own_redis.url), 0.5)
    yield client
    await client.aclose()


@pytest.fixture
async def store(client: Client, monkeypatch: pytest.MonkeyPatch) -> UserStore:
    """With one session of user ``u`` in Redis."""
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    store = UserStore(client=client, node="node", grace_s=60, max_sessions=10)
    await store.arrive("u", "s", "192.0.2.1")
    return store


async def sessions(server: RedisServer) -> int:
    async with Redis(port=server.port) as redis:
        return int(await redis.hlen("{hornet:users}:sessions:u"))


async def test_a_departure_goes_on_until_redis_is_back(
    store: UserStore, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    removals = PendingRemovals(store)
    own_redis.pause()
    removals.begin("u", "s")
    with pytest.raises(RedisUnavailable):
        await removals.wait("s")
    own_redis.resume()
    await eventually(lambda: sessions(own_redis), 0)


async def test_a_departure_asked_twice_ends_once_both_are_done(
    store: UserStore, own_redis: RedisServer
) -> None:
    removals = PendingRemovals(store)
    removals.begin("u", "s")
    removals.begin("u", "s")
    assert "s" in removals
    await removals.wait("s")
    assert await sessions(own_redis) == 0
    await asyncio.sleep(0)
    assert "s" not in removals


async def test_close_waits_for_those_under_way(store: UserStore, own_redis: RedisServer) -> None:
    removals = PendingRemovals(store)
    removals.begin("u", "s")
    await removals.close(5.0)
    assert await sessions(own_redis) == 0
    await removals.close(5.0)


async def test_close_gives_up_in_time_and_says_so(
    store: UserStore, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    removals = PendingRemovals(store)
    own_redis.kill()
    removals.begin("u", "s")
    await removals.close(0.1)
    assert "Stopped before 1 sessions" in caplog.text
