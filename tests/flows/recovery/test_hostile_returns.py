"""Clients that come back in hostile ways, or to a Redis that was tampered with: nothing doubles or grows."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import HISTORY, channel_topic
from hornet.core.sessions import AuthState
from hornet.flows.recovery.settings import RecoverySettings
from tests.broker.servers import RedisServer
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode
from tests.flows.recovery.publishing import recording

AT_ONCE = 6
MANY_CHANNELS, LONG_BYTES = 100, 100_000
TOGETHER = [1, 2]
STOCK, POSITIONS, WITHOUT_OFFSET = "stock", "positions", "without an offset"


async def let_in(node: Running, channels: Sequence[str], kind: str) -> tuple[Client, dict[str, Any]]:
    """Let a client in; return it with the ``auth`` by which it comes back."""
    token = await node.create_token(*channels)
    wish = {"positions": True} if kind == POSITIONS else {"recover": True}
    client = await node.connect(auth={**wish, "token": token, "channels": channels})
    text, *rest = json.loads((await client.packet())[2:])[1:]
    message = json.loads(text)
    assert message["type"] == "connected"
    if kind == POSITIONS:
        return client, {**wish, "resume": {name: message[name] for name in ("session", "position")}}
    offset = "" if kind == WITHOUT_OFFSET else rest[0]
    return client, {**wish, "pid": client.connected["pid"], "offset": offset}


def ready(nodes: Sequence[Running]) -> int:
    """Return how many sessions are in on all nodes together."""
    return sum(session.state is AuthState.READY for node in nodes for session in node.node.sessions.all())


@pytest.mark.parametrize("node_count", TOGETHER)
@pytest.mark.parametrize("kind", [STOCK, POSITIONS, WITHOUT_OFFSET])
async def test_one_pid_brings_back_one_session(
    start_node: StartNode, valkey: Valkey, prefix: str, kind: str, node_count: int
) -> None:
    nodes = [await start_node() for _ in range(node_count)]
    channel = f"{prefix}news"
    client, auth = await let_in(nodes[0], [channel], kind)
    await client.leave()
    await nodes[0].wait_until_empty()
    comers = await asyncio.gather(*(nodes[at % node_count].connect(auth=auth) for at in range(AT_ONCE)))

    async def count() -> int:
        return ready(nodes)

    await eventually(count, 1)
    async with recording(valkey.url) as backend:
        await backend.record(channel_topic(channel), {"type": "once"})
    [winner] = [session for node in nodes for session in node.node.sessions.all() if session.channels]
    hearing = next(comer for comer in reversed(comers) if comer.sid == winner.sid)
    while '"once"' not in (text := await hearing.packet()).replace("\\", ""):
        assert text
    for comer in comers:
        await comer.leave()
    for node in nodes:
        await node.wait_until_empty()


async def test_a_client_does_not_make_a_node_read_far_more_than_it_would_get(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    url, channels = own_redis.url, [f"{prefix}{number}" for number in range(MANY_CHANNELS)]
    settings = RecoverySettings(replay_bytes=2 * LONG_BYTES)
    first, second = [await start_node(redis=url, recovery=settings) for _ in range(2)]
    client, auth = await let_in(first, channels, STOCK)
    await first.stop()
    async with recording(url) as backend, aclosing(Redis.from_url(url)) as redis:
        for channel in channels:
            await backend.record(channel_topic(channel), {"type": "long", "text": "x" * LONG_BYTES})
        before = (await redis.info("stats"))["total_net_output_bytes"]
        client = await second.connect(auth=auth)
        _, text, *_ = json.loads((await client.packet())[2:])
        assert json.loads(text)["recovered"] is False
        read_bytes = (await redis.info("stats"))["total_net_output_bytes"] - before
    assert read_bytes < MANY_CHANNELS * LONG_BYTES / 2


async def test_ids_of_a_redis_that_was_ahead_do_not_hide_what_came_later(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    channel, topic = f"{prefix}news", channel_topic(f"{prefix}news")
    node = await start_node(redis=own_redis.url)
    async with recording(own_redis.url) as backend, aclosing(Redis.from_url(own_redis.url)) as redis:
        await redis.hset(HISTORY, "last", str(4_000_000_000_000_000))
        client, auth = await let_in(node, [channel], STOCK)
        await backend.record(topic, {"type": "ahead"})
        *_, offset = json.loads((await client.packet())[2:])
        await client.leave()
        await node.wait_until_empty()
        await redis.delete(HISTORY)
        await backend.record(topic, {"type": "missed"})
        client = await node.connect(auth={**auth, "offset": offset})
        text = (await client.packet()).replace("\\", "")
        assert '"missed"' in text or '"recovered":false' in text
