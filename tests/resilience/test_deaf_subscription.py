"""The subscription connection alone loses what is sent on it: the node notices; it is not ready meanwhile."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end
from tests.resilience.strait import Strait

PROBED = ("--redis-timeout", "2", "--redis-heartbeat", "10", "--redis-probe", "0.2")
"""A deaf connection is noticed by the probe alone: the heartbeat would need 20 s."""

WITHIN_S = 6.0
"""How soon a deaf connection is replaced with the default options."""


@pytest.fixture
async def strait(own_redis: RedisServer) -> AsyncIterator[Strait]:
    async with Strait(own_redis.port) as strait:
        yield strait


async def losses(watched: Watched, reason: str) -> float:
    return await watched.metric(f'hornet_redis_losses_total{{reason="{reason}"}}')


async def counts_loss(watched: Watched, reason: str) -> None:
    async def counted() -> bool:
        return await losses(watched, reason) == 1

    await eventually(counted, True)


async def test_a_deaf_subscription_connection_is_replaced_and_red_meanwhile(
    own_redis: RedisServer, strait: Strait, watch: Watch, program: tuple[str, ...]
) -> None:
    watched = await watch(strait.url, *PROBED, backend=own_redis.url, program=program)
    client = await watched.connect(await watched.token())
    assert await watched.readiness() == (200, "ready")
    strait.deafen()
    await watched.becomes_unready()
    await counts_loss(watched, "deaf")
    await watched.becomes_ready()
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []
    assert "it is deaf" in watched.server.output
    assert await watched.metric("hornet_redis_reconnections_total") == 1
    assert await watched.metric("hornet_redis_outages_total") == 0


async def test_a_subscription_connection_that_takes_no_commands_is_replaced(
    own_redis: RedisServer, strait: Strait, watch: Watch, program: tuple[str, ...]
) -> None:
    """Messages still arrive, but no client could enter a channel that is new to the node."""
    watched = await watch(strait.url, *PROBED, backend=own_redis.url, program=program)
    strait.mute()
    await counts_loss(watched, "mute")
    await watched.becomes_ready()
    client = await watched.connect(await watched.token())
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []


async def test_readiness_after_an_outage_stays_red_while_the_subscription_is_still_deaf(
    own_redis: RedisServer, strait: Strait, watch: Watch, program: tuple[str, ...]
) -> None:
    """The network comes back for new connections; what the old subscription connection sends is lost."""
    options = (*PROBED, "--redis-timeout", "0.5", "--redis-probe", "0.6")
    watched = await watch(strait.url, *options, backend=own_redis.url, program=program)
    client = await watched.connect(await watched.token())
    strait.deafen()
    strait.stall()
    await watched.becomes_unready()
    strait.abandon()

    async def answers() -> bool:
        return await watched.post("into the void") == 200

    await eventually(answers, True)  # commands are carried out again
    states = []
    state = await watched.readiness()
    while not await losses(watched, "deaf"):  # afterwards it may be ready at once
        states.append(state)
        await asyncio.sleep(0.02)
        state = await watched.readiness()
    assert states
    assert {status for status, _ in states} == {503}
    await watched.becomes_ready()
    assert await watched.post(END) == 200
    heard = await heard_until_end(client)
    assert heard in ([], ["into the void"])


@pytest.mark.alone
async def test_with_the_default_options_a_deaf_connection_is_replaced_within_six_seconds(
    own_redis: RedisServer, strait: Strait, watch: Watch
) -> None:
    defaults = ("--redis-timeout", "5", "--redis-heartbeat", "10")
    watched = await watch(strait.url, *defaults, backend=own_redis.url)
    client = await watched.connect(await watched.token())
    strait.deafen()
    began = time.monotonic()
    await counts_loss(watched, "deaf")
    await watched.becomes_ready()
    assert time.monotonic() - began < WITHIN_S
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []


async def test_a_redis_that_hangs_is_logged_once_and_keeps_its_connection(
    own_redis: RedisServer, watch: Watch
) -> None:
    """What waits on the connection arrives when Redis goes on, so nothing is missed."""
    watched = await watch(own_redis.url, *PROBED, "--redis-timeout", "0.5")
    client = await watched.connect(await watched.token())
    own_redis.pause()
    try:
        await watched.becomes_unready()
        posted = asyncio.create_task(watched.publish("while it hangs"))

        async def outages() -> bool:
            return await watched.metric("hornet_redis_outages_total") == 1

        await eventually(outages, True)
        await asyncio.sleep(0.8)  # several probes without an answer
    finally:
        own_redis.resume()
    await posted
    await watched.becomes_ready()
    assert await watched.post(END) == 200
    assert await heard_until_end(client) in ([], ["while it hangs"])
    assert await watched.metric("hornet_redis_reconnections_total") == 0
    assert watched.server.output.count("Redis carries out no commands (") == 1
    again = r"INFO .*Redis carries out commands again, after \d+\.\d s"
    assert len(re.findall(again, watched.server.output)) == 1


async def test_messages_of_others_on_the_topic_of_the_probe_do_no_harm(
    own_redis: RedisServer, watch: Watch
) -> None:
    watched = await watch(own_redis.url, *PROBED)
    client = await watched.connect(await watched.token())
    async with Redis(port=own_redis.port) as redis:
        [topic] = await redis.pubsub_channels("hornet:probe:*")
        for payload in (b"", b"x", b"-1", b"9" * 5000, b"99999999", "٣".encode(), b"\xff"):
            assert await redis.publish(topic, payload) == 1
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []
    assert await watched.readiness() == (200, "ready")
