"""A former master of Redis that is the master again: what a node heard of it does not come a second time."""

from __future__ import annotations

from redis.asyncio import Redis

from hornet.broker.keys import HISTORY, channel_topic
from hornet.flows.recovery.gaps import GapReason
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.flows.recovery.publishing import recording
from tests.flows.recovery.test_inflow import A, Receiving, receiving, record

HISTORIES = (HISTORY, f"{HISTORY}:s:{A}")


async def exchange(redis: Redis, node: Receiving, aside: str, back: str = "") -> None:
    """Put one history aside and another back, and cut the subscription, as two failovers in a row do."""
    losses = node.subscriber.reconnections
    for key in HISTORIES:
        await redis.rename(key, aside + key)
        if back:
            await redis.rename(back + key, key)
    await redis.client_kill_filter(_type="pubsub")

    async def is_repaired() -> bool:
        return node.subscriber.reconnections > losses and not node.inflow.is_waiting

    await eventually(is_repaired, True)


async def test_an_epoch_that_returns_is_told_and_brings_nothing_twice(own_redis: RedisServer) -> None:
    async with (
        recording(own_redis.url) as backend,
        receiving(own_redis.url) as node,
        Redis(port=own_redis.port) as redis,
    ):
        await node.subscriber.subscribe(A)
        await record(backend, A, "1", "2")
        await node.expect((A, "1"), (A, "2"))
        first = node.inflow.position.epoch
        await exchange(redis, node, "first")
        await record(backend, A, "3")
        await node.expect((A, "1"), (A, "2"), (A, "3"))
        second = node.inflow.position.epoch
        await exchange(redis, node, "second", "first")
        await record(backend, A, "4")
        await node.expect((A, "1"), (A, "2"), (A, "3"), (A, "4"))
        assert node.inflow.position.epoch == first != second
        await exchange(redis, node, "first", "second")
        await record(backend, A, "5")
        await node.expect(*((A, str(number)) for number in range(1, 6)))
        assert node.inflow.position.epoch == second
        assert node.notices.all == [([channel_topic("a")], GapReason.REDIS_LOST_DATA)] * 3
