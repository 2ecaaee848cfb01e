"""A message longer than what Redis lets wait closes the subscription connection, and the log says why."""

import os
import signal

from redis.asyncio import Redis

from tests.broker.acl import NODE, limited, url_of
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.resilience.conftest import CHANNEL, END, Watch, Watched, heard_until_end

LIMIT_BYTES = 1_000_000
REASON = "client-output-buffer-limit"


async def cut(watched: Watched, redis: Redis) -> None:
    """Have Redis close the node's connection, by a message longer than what may wait.

    The node stands still meanwhile: Valkey from 8.1 on sees such a message only where it waits for a moment.
    """
    await redis.config_set("client-output-buffer-limit", f"pubsub {LIMIT_BYTES} 0 0")

    async def is_cut() -> bool:
        return bool((await redis.info("stats"))["client_output_buffer_limit_disconnections"])

    os.kill(watched.server.process.pid, signal.SIGSTOP)
    try:
        await redis.publish(f"hornet:channel:{CHANNEL}", b"x" * 10 * LIMIT_BYTES)
        await eventually(is_cut, True)
    finally:
        os.kill(watched.server.process.pid, signal.SIGCONT)

    async def is_back() -> bool:
        return await watched.metric("hornet_redis_reconnections_total") == 1

    await eventually(is_back, True)
    await watched.becomes_ready()


async def test_a_message_that_cuts_the_subscription_is_explained_and_counted(
    own_redis: RedisServer, watch: Watch
) -> None:
    watched = await watch(own_redis.url, "--max-message", "100")
    client = await watched.connect(await watched.token())
    async with Redis(port=own_redis.port) as redis:
        await cut(watched, redis)

    async def cuts() -> float:
        return await watched.metric("hornet_redis_output_cuts_total")

    await eventually(cuts, 1.0)
    assert watched.server.output.count(REASON) == 1
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []


async def test_a_connection_that_is_closed_for_another_reason_is_not_explained_so(
    own_redis: RedisServer, watch: Watch
) -> None:
    watched = await watch(own_redis.url)
    async with Redis(port=own_redis.port) as redis:
        for number in (1, 2):
            assert await redis.client_kill_filter(_type="pubsub") == 1

            async def is_back(number: int = number) -> bool:
                return await watched.metric('hornet_redis_losses_total{reason="closed"}') == number

            await eventually(is_back, True)
            await watched.becomes_ready()
    assert await watched.metric("hornet_redis_output_cuts_total") == 0
    assert REASON not in watched.server.output


async def test_without_the_right_to_ask_redis_nothing_is_explained(
    own_redis: RedisServer, watch: Watch
) -> None:
    async with limited(own_redis, *NODE.split()) as admin:
        watched = await watch(url_of(own_redis), backend=own_redis.url)
        client = await watched.connect(await watched.token())
        await cut(watched, admin)
    assert await watched.post(END) == 200
    assert await heard_until_end(client) == []
    assert REASON not in watched.server.output
