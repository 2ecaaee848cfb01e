"""Redis is slow: below the timeout everything works; beyond it, clients and backends are told at once."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.core import codes
from tests.broker.servers import RedisServer
from tests.resilience.conftest import CHANNEL, END, Watch, Watched, heard_until_end
from tests.resilience.strait import Strait

TIMEOUT_S = 0.5
"""The Redis timeout of a server to which a test gives no other."""

PATIENT = ("--redis-timeout", "2", "--redis-heartbeat", "2", "--node-heartbeat", "2")


@pytest.fixture
async def strait(own_redis: RedisServer) -> AsyncIterator[Strait]:
    async with Strait(own_redis.port) as strait:
        yield strait


async def refused_as_unavailable(watched: Watched, within_s: float) -> None:
    stranger = await watched.connect()
    async with asyncio.timeout(within_s):
        await stranger.show("anytoken", CHANNEL)
        assert (await stranger.message())["error"] == codes.UNAVAILABLE


async def test_below_the_timeout_everything_works_only_later(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    watched = await watch(strait.url, *PATIENT, backend=own_redis.url)
    early = await watched.connect(await watched.token())
    strait.delay_s = 0.3
    late = await watched.connect(await watched.token())
    for number in range(10):
        assert await watched.post(f"message {number}") == 200
    assert await watched.post("once", key="k") == 200
    assert await watched.post("once", key="k") == 200
    assert await watched.readiness() == (200, "ready")
    await watched.post(END)
    expected = [*(f"message {number}" for number in range(10)), "once"]
    assert await heard_until_end(early) == expected
    assert await heard_until_end(late) == expected
    assert await watched.metric("hornet_redis_reconnections") == 0
    assert await watched.lagged(0.5) == 0


async def test_many_at_once_share_the_slow_way(own_redis: RedisServer, strait: Strait, watch: Watch) -> None:
    """A hundred clients need no more round trips, one after the other, than one client."""
    watched = await watch(strait.url, *PATIENT, backend=own_redis.url)
    tokens = [await watched.token() for _ in range(100)]
    strait.delay_s = 0.3
    async with asyncio.timeout(10):
        clients = await asyncio.gather(*map(watched.connect, tokens))
        assert await asyncio.gather(*(watched.post("same") for _ in range(100))) == [200] * 100
    await watched.post(END)
    for client in clients:
        assert await heard_until_end(client) == ["same"] * 100


async def test_a_stall_beyond_the_timeout_is_told_at_once_and_forgotten_afterwards(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    watched = await watch(strait.url, backend=own_redis.url)
    client = await watched.connect(await watched.token())
    assert await watched.post("before") == 200
    strait.stall()
    async with asyncio.timeout(10 * TIMEOUT_S):
        assert await watched.post("in the stall", key="k1") == 503
    await watched.becomes_unready()
    await refused_as_unavailable(watched, 10 * TIMEOUT_S)
    assert await watched.post("in the stall too", key="k2") == 503
    assert await watched.ask("GET", "/api/channels") == 503
    assert await watched.metric("hornet_sessions") == 2
    strait.flow()
    await watched.becomes_ready()
    for text, key in (("in the stall", "k1"), ("in the stall too", "k2")):
        assert await watched.post(text, key=key) == 200
    stranger = await watched.connect(await watched.token())
    assert await watched.post(END) == 200
    heard = await heard_until_end(client)
    assert heard[0] == "before"
    for text in ("in the stall", "in the stall too"):
        assert heard.count(text) <= 1, "asked again with its key: done before, or now"
    assert await heard_until_end(stranger) in ([], heard[1:])
    assert await watched.lagged(1.0) == 0


async def test_stalls_again_and_again_deliver_nothing_twice(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    watched = await watch(strait.url, backend=own_redis.url)
    client = await watched.connect(await watched.token())
    for number in range(3):
        strait.stall()
        await watched.becomes_unready()
        strait.flow()
        await watched.becomes_ready()
        assert await watched.publish(f"message {number}") == 1
    await watched.publish(END)
    assert await heard_until_end(client) == ["message 0", "message 1", "message 2"]


async def test_redis_answers_of_a_few_bytes_at_a_time_time_out_and_affect_no_client(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    watched = await watch(strait.url, backend=own_redis.url)
    client = await watched.connect(await watched.token())
    strait.trickle_s = 0.02  # a PING and its answer take a second
    await refused_as_unavailable(watched, 10 * TIMEOUT_S)
    assert await watched.post("too slow", key="k") == 503
    await watched.becomes_unready()
    strait.flow()
    await watched.becomes_ready()
    assert await watched.post("too slow", key="k") == 200
    assert await watched.post(END) == 200
    heard = await heard_until_end(client)
    assert heard in ([], ["too slow"])
    assert await watched.lagged(1.0) == 0


async def test_a_client_that_needs_no_token_is_answered_in_a_long_stall_too(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    """The node waits for the subscription only."""
    watched = await watch(
        strait.url, "--public-channels", "open-*", "--public-patterns", backend=own_redis.url
    )
    client = await watched.connect(await watched.token())
    strait.stall()
    await watched.becomes_unready()
    for asked in ({"channel": "open-1"}, {"pattern": {"kind": "a"}}, {"pattern": {"kind": "*"}}):
        number = await client.begin("hornet:subscribe", asked)

        async def answered(number: int = number) -> str:
            return str((await client.answer(number))["error"]["code"])

        async with asyncio.timeout(10):
            assert await answered() == codes.UNAVAILABLE
    strait.flow()
    await watched.becomes_ready()
    assert (await client.ask("hornet:subscribe", {"channel": "open-1"}))["ok"]
    assert await watched.publish(END) == 1
    assert await heard_until_end(client) == []


async def test_connections_that_are_dead_without_a_word_are_all_replaced(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    """A firewall may forget connections. Afterwards, emits of other python-socketio processes arrive, too."""
    watched = await watch(strait.url, backend=own_redis.url)
    client = await watched.connect(await watched.token())
    strait.abandon()
    await watched.becomes_unready()
    await watched.becomes_ready()
    async with Redis(port=own_redis.port) as redis:
        emit = {"method": "emit", "event": "hello", "data": 1, "namespace": "/", "room": client.sid}
        await redis.publish("socketio", json.dumps({**emit, "host_id": "another", "skip_sid": None}))
    assert await client.event() == ("hello", 1)
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []
