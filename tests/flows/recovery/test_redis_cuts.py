"""A node that loses its connection to Redis: what was recorded meanwhile arrives, once and in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic, user_topic
from hornet.flows.recovery.gaps import GapReason
from hornet.flows.recovery.repairs import RepairOutcome
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode
from tests.flows.recovery.publishing import DEEP, Recording, recording
from tests.resilience.strait import Strait

QUICK: dict[str, Any] = {
    "redis_timeout": 2.0,
    "redis_heartbeat": 0.3,
    "redis_probe": 0.2,
    "history_count": DEEP.history_count,
}
"""Options with which a cut is noticed soon."""

CHANNELS = ("a", "b", "c")


@pytest.fixture
async def strait(own_redis: RedisServer) -> AsyncIterator[Strait]:
    async with Strait(own_redis.port) as strait:
        yield strait


@pytest.fixture
async def backend(own_redis: RedisServer) -> AsyncIterator[Recording]:
    async with recording(own_redis.url) as backend:
        yield backend


@pytest.fixture
async def cut_node(start_node: StartNode, strait: Strait, backend: Recording) -> Running:
    """Start a node whose way to Redis is the strait."""
    del backend  # it makes the history
    return await start_node(redis=strait.url, **QUICK)


async def until_end(client: Client) -> list[str]:
    """Return the types of the messages before the message ``end``, without notices of gaps."""
    types: list[str] = []
    while (message := await client.message())["type"] != "end":
        if message["type"] != "gap":
            types.append(message["type"])
    return types


async def publish_during(backend: Recording, seconds: float, first: int) -> int:
    """Record numbered messages for a while, on the channels in turn; return the number after the last."""
    loop, number = asyncio.get_running_loop(), first
    until = loop.time() + seconds
    while loop.time() < until:
        await backend.number(CHANNELS[number % len(CHANNELS)], number)
        number += 1
        await asyncio.sleep(0.005)
    return number


async def outcomes(node: Running) -> dict[RepairOutcome, int]:
    return {outcome: count for outcome, count in node.node.repairs.outcomes.items() if count}


async def repaired(node: Running, *expected: RepairOutcome) -> None:
    """Wait until the node has made these repairs."""
    await eventually(lambda: outcomes(node), {outcome: expected.count(outcome) for outcome in expected})


async def expect_all(client: Client, backend: Recording, count: int) -> None:
    await backend.record(channel_topic("a"), {"type": "end"})
    assert await until_end(client) == [str(number) for number in range(count)]


async def test_recorded_messages_during_a_silent_cut_of_five_seconds_arrive_once_in_order(
    cut_node: Running, strait: Strait, backend: Recording
) -> None:
    client = await cut_node.connect_with_token(*CHANNELS)
    number = await publish_during(backend, 0.3, 0)
    strait.stall()
    number = await publish_during(backend, 5.0, number)
    strait.abandon()
    number = await publish_during(backend, 0.5, number)
    await repaired(cut_node, RepairOutcome.WHOLE)
    await expect_all(client, backend, number)
    assert cut_node.node.subscriber.reconnections == 1


async def test_what_a_deaf_connection_missed_arrives_once_in_order(
    cut_node: Running, strait: Strait, backend: Recording
) -> None:
    client = await cut_node.connect_with_token(*CHANNELS)
    number = await publish_during(backend, 0.3, 0)
    strait.deafen()
    publishing = asyncio.create_task(publish_during(backend, 2.0, number))
    await repaired(cut_node, RepairOutcome.WHOLE)
    await expect_all(client, backend, await publishing)


async def test_connections_that_redis_kills_again_and_again_lose_nothing(
    start_node: StartNode, own_redis: RedisServer, backend: Recording
) -> None:
    node = await start_node(redis=own_redis.url, **QUICK)
    client = await node.connect_with_token(*CHANNELS)
    publishing = asyncio.create_task(publish_during(backend, 3.0, 0))
    async with Redis(port=own_redis.port) as redis:
        while not publishing.done():
            await redis.client_kill_filter(_type="pubsub")
            await asyncio.sleep(0.25)
    await node.node.subscriber.wait_connected()
    await expect_all(client, backend, await publishing)
    assert node.node.subscriber.reconnections > 2


async def test_patterns_and_notices_of_users_are_repaired_too(
    cut_node: Running, strait: Strait, backend: Recording
) -> None:
    """The exact pattern is a topic, the other one a glob, whose topics are found in the history."""
    client = await cut_node.connect_with_token("a", user="ann")
    for text, pattern in (
        ("kind:news|place:rome", {"kind": "news", "place": "rome"}),
        ("kind:news|*", {"kind": "news"}),
    ):
        token = await cut_node.create_token(text)
        request = {"pattern": pattern, "token": token, "subset": text.endswith("*")}
        assert await client.ask("hornet:subscribe", request) == {"ok": True, "pattern": text}

    async def news(type: str) -> list[str]:
        """Return the patterns of the next two messages, which have this type."""
        messages = [await client.message() for _ in range(2)]
        assert {message["type"] for message in messages} == {type}
        return sorted(message["pattern"] for message in messages)

    both = ["kind:news|*", "kind:news|place:rome"]
    await backend.record("kind:news|place:rome", {"type": "0"})
    await backend.record(user_topic("ann"), {"type": "notify", "event": "hi", "payload": 1})
    assert await news("0") == both
    assert await client.event() == ("hi", 1)
    strait.deafen()
    await backend.record("kind:news|place:rome", {"type": "1"})
    await backend.record("kind:news|place:oslo", {"type": "2"})
    await backend.record("kind:old|place:oslo", {"type": "3"})
    await backend.record(user_topic("ann"), {"type": "notify", "event": "hi", "payload": 2})
    await repaired(cut_node, RepairOutcome.PARTLY)  # nothing is known of channel "a"
    await backend.record("kind:news|place:rome", {"type": "4"})
    assert await news("1") == both
    message = await client.message()
    assert (message["type"], message["pattern"]) == ("2", "kind:news|*")
    assert await client.event() == ("hi", 2)
    assert await news("4") == both


async def test_a_client_that_knows_notices_is_told_where_plain_messages_may_be_missing(
    cut_node: Running, strait: Strait, backend: Recording
) -> None:
    client = await cut_node.connect_with_token("plain", "recorded", "both", user="ann")
    classic = await cut_node.connect_with_token("plain", "recorded")
    cut_node.session(client).positions = True
    await backend.plain(channel_topic("plain"), {"type": "1"})
    await backend.plain(channel_topic("both"), {"type": "2"})
    await backend.number("both", 3)
    await backend.number("recorded", 4)
    await backend.record(user_topic("ann"), {"type": "notify", "event": "hi", "payload": 5})
    for _ in range(4):
        await client.message()
    await client.event()
    ring = cut_node.node.inflow.ring
    number = ring.number
    strait.deafen()
    await backend.number("recorded", 6)
    notice = await client.message()
    assert notice == {
        "type": "gap",
        "channel": "hornet",
        "channels": ["plain", "both"],
        "reason": "redis_connection_lost",
    }
    assert (await client.message())["type"] == "6"
    await repaired(cut_node, RepairOutcome.PARTLY)
    assert ring.since(channel_topic("plain"), number) is None
    assert ring.since(channel_topic("both"), number) is None
    [entry] = ring.since(channel_topic("recorded"), number) or []
    assert entry.payload == b'{"type": "6"}'
    assert ring.since(channel_topic("plain"), ring.number) == []
    assert cut_node.node.gaps.counts[GapReason.REDIS_CONNECTION_LOST] == 2
    await backend.number("plain", 7)
    assert [(await classic.message())["type"] for _ in range(4)] == ["1", "4", "6", "7"]


async def test_a_redis_that_lost_its_data_is_told_and_its_new_messages_arrive(
    cut_node: Running, strait: Strait, own_redis: RedisServer, backend: Recording
) -> None:
    client = await cut_node.connect_with_token("a")
    cut_node.session(client).positions = True
    await backend.number("a", 1)
    assert (await client.message())["type"] == "1"
    before = cut_node.node.inflow.position
    strait.deafen()
    async with Redis(port=own_redis.port) as redis:
        await redis.flushall()
    await backend.store.load()
    await backend.number("a", 2, 3)
    notice = await client.message()
    assert (notice["type"], notice["channels"], notice["reason"]) == ("gap", ["a"], "redis_lost_data")
    await backend.number("a", 4)
    assert [(await client.message())["type"] for _ in range(3)] == ["2", "3", "4"]
    after = cut_node.node.inflow.position
    assert after.epoch != before.epoch
    assert after == await backend.store.position()


async def test_a_redis_that_was_emptied_under_a_living_connection_has_nothing_to_tell(
    start_node: StartNode, own_redis: RedisServer, backend: Recording
) -> None:
    node = await start_node(redis=own_redis.url, **QUICK)
    client = await node.connect_with_token("a")
    node.session(client).positions = True
    await backend.number("a", 1)
    async with Redis(port=own_redis.port) as redis:
        await redis.flushall()
    await backend.number("a", 2)
    assert [(await client.message())["type"] for _ in range(2)] == ["1", "2"]
    assert node.node.gaps.counts.total() == 0


async def test_a_history_that_is_too_short_is_told(
    cut_node: Running, strait: Strait, own_redis: RedisServer, backend: Recording
) -> None:
    client = await cut_node.connect_with_token("a")
    cut_node.session(client).positions = True
    await backend.number("a", 0)
    assert (await client.message())["type"] == "0"
    strait.deafen()
    await backend.number("a", *range(1, 400))
    async with Redis(port=own_redis.port) as redis:
        await redis.xtrim("{hornet:history}:s:hornet:channel:a", maxlen=10, approximate=False)
    notice = await client.message()
    assert (notice["type"], notice["reason"]) == ("gap", "history_too_short")
    await backend.record(channel_topic("a"), {"type": "end"})
    assert await until_end(client) == [str(number) for number in range(390, 400)]


async def test_a_stock_client_comes_back_as_new_where_plain_messages_may_be_missing(
    cut_node: Running, strait: Strait, backend: Recording
) -> None:
    wish = {"recover": True}
    clients: dict[str, tuple[Client, dict[str, Any]]] = {}
    for channel in ("plain", "recorded"):
        token = await cut_node.create_token(channel)
        client = await cut_node.connect(auth={**wish, "token": token, "channels": [channel]})
        _, offset = json.loads((await client.packet())[2:])[1:]
        clients[channel] = client, {**wish, "pid": client.connected["pid"], "offset": offset}
    await backend.plain(channel_topic("plain"), {"type": "1"})
    await backend.number("recorded", 2)
    for client, back in clients.values():
        back["offset"] = json.loads((await client.packet())[2:])[-1]
    strait.deafen()
    await backend.number("recorded", 3)
    client, back = clients["plain"]
    await client.closed()
    returned = await cut_node.connect(auth=back)
    assert returned.connected["pid"] != back["pid"]
    client, _ = clients["recorded"]
    assert json.loads(json.loads((await client.packet())[2:])[1])["type"] == "3"
