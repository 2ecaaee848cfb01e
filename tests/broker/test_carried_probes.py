"""The heartbeat of a node carries the probe of its subscription connection, on a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hornet.broker.client import RedisUrl, connect, connect_subscriber
from hornet.broker.keys import probe_topic
from hornet.broker.nodes import Nodes
from hornet.broker.subscriber import Subscriber
from hornet.broker.subscription_probe import SubscriptionProbe, probe_publisher
from hornet.core.errors import RedisFull, RedisUnavailable
from tests.broker.acl import NODE, grant, limited, url_of
from tests.broker.servers import RedisServer

LONG_S = 60.0
"""No probe goes by itself meanwhile, after the first one."""


@asynccontextmanager
async def node(server: RedisServer, url: str = "") -> AsyncIterator[tuple[Nodes, SubscriptionProbe]]:
    """A node that receives its probes, and whose heartbeats a test makes. ``url`` is that of its commands."""
    client = connect(RedisUrl(url or server.url), 2.0)
    nodes = Nodes(client, heartbeat_s=LONG_S)
    probe = SubscriptionProbe(topic=probe_topic(nodes.id), publish=probe_publisher(client), interval_s=LONG_S)
    nodes.carry(probe)
    subscriber = Subscriber(
        connect=lambda attempt: connect_subscriber(RedisUrl(server.url), 2.0, attempt),
        receive=probe.receive,
        probe=probe,
        heartbeat_s=LONG_S,
    )
    running = asyncio.create_task(subscriber.run())
    await probe.wait_receiving()
    try:
        yield nodes, probe
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.aclose()


async def test_a_heartbeat_carries_the_probe(own_redis: RedisServer) -> None:
    async with node(own_redis) as (nodes, probe):
        probe.on_not_carried()
        assert not probe.is_receiving
        await nodes.beat()
        await probe.wait_receiving()


async def test_a_heartbeat_that_a_full_redis_refuses_carries_the_probe(own_redis: RedisServer) -> None:
    async with node(own_redis) as (nodes, probe), Redis(port=own_redis.port) as admin:
        await admin.config_set("maxmemory", "1")
        probe.on_not_carried()
        with pytest.raises(RedisFull):
            await nodes.beat()
        await probe.wait_receiving()


async def test_after_a_heartbeat_that_failed_nothing_is_known_until_a_probe_arrives(
    own_redis: RedisServer,
) -> None:
    async with (
        limited(own_redis, *NODE.split()) as admin,
        node(own_redis, url_of(own_redis)) as (nodes, probe),
    ):
        await grant(admin, "-eval")
        with pytest.raises(RedisUnavailable):
            await nodes.beat()
        assert not probe.is_receiving
        await grant(admin, "+eval")
        await nodes.beat()
        await probe.wait_receiving()


async def test_a_probe_that_the_acl_refuses_does_not_cost_the_heartbeat(own_redis: RedisServer) -> None:
    async with (
        limited(own_redis, *NODE.split()) as admin,
        node(own_redis, url_of(own_redis)) as (nodes, probe),
    ):
        await grant(admin, "resetchannels")
        await nodes.beat()
        assert await nodes.living() == [nodes.id]
        assert not probe.is_receiving
