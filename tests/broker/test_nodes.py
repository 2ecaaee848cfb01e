"""The nodes of the cluster, on a real Redis. Heartbeats are made by hand, so no test waits for time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hornet.broker.client import Client, connect
from hornet.broker.keys import NODES
from hornet.broker.nodes import Nodes
from hornet.broker.url import RedisUrl
from hornet.core.errors import RedisUnavailable
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually


class Cluster:
    """Nodes on a Redis of the test's own, and which dead nodes each of them removed."""

    def __init__(self, redis: RedisServer) -> None:
        self.url = redis.url
        self.client = connect(RedisUrl(redis.url), 2.0)
        self.removed: list[tuple[str, str]] = []
        self.restored: list[str] = []

    def node(self, client: Client | None = None) -> Nodes:
        node = Nodes(client or self.client, heartbeat_s=4)

        async def remove(dead: str) -> None:
            self.removed.append((node.id, dead))

        async def restore() -> None:
            self.restored.append(node.id)

        node.on_node_dead(remove)
        node.on_lost(restore)
        return node

    async def silence(self, node: Nodes) -> None:
        """Make the node's last heartbeat a minute older."""
        await self.client.zincrby(NODES, -60_000, node.id)


@pytest.fixture
async def cluster(own_redis: RedisServer) -> Cluster:
    return Cluster(own_redis)


@pytest.fixture(autouse=True)
async def _closed(cluster: Cluster) -> AsyncIterator[None]:
    yield
    await cluster.client.aclose()


async def test_nodes_know_each_other(cluster: Cluster) -> None:
    one, other = cluster.node(), cluster.node()
    await one.join()
    await other.join()
    assert set(await one.living()) == {one.id, other.id}
    await other.leave()
    assert await one.living() == [one.id]


async def test_a_silent_node_is_removed_by_exactly_one_of_the_others(cluster: Cluster) -> None:
    dead, *living = [cluster.node() for _ in range(6)]
    for node in (dead, *living):
        await node.join()
    await cluster.silence(dead)
    assert dead.id not in await living[0].living()
    await asyncio.gather(*(node.beat() for node in living))
    await asyncio.gather(*(node.beat() for node in living))
    assert [name for _, name in cluster.removed] == [dead.id]
    assert await cluster.client.zscore(NODES, dead.id) is None


async def test_a_silent_node_that_was_removed_meanwhile_is_not_removed_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims_late = connect(RedisUrl(cluster.url), 2.0)
    dead, quick, late = cluster.node(), cluster.node(), cluster.node(claims_late)
    for node in (dead, quick, late):
        await node.join()
    await cluster.silence(dead)
    claim = claims_late.set

    async def claim_after_the_other(*args: Any, **options: Any) -> Any:
        await quick.beat()
        return await claim(*args, **options)

    monkeypatch.setattr(claims_late, "set", claim_after_the_other)
    await late.beat()
    assert cluster.removed == [(quick.id, dead.id)]
    await claims_late.aclose()


async def test_a_removal_that_fails_is_tried_again(cluster: Cluster) -> None:
    dead, living = cluster.node(), cluster.node()
    await dead.join()
    await living.join()
    fails = [True]

    async def remove(_: str) -> None:
        if fails.pop():
            raise RedisUnavailable("for a moment")

    living.on_node_dead(remove)
    await cluster.silence(dead)
    with pytest.raises(RedisUnavailable):
        await living.beat()
    fails.append(False)
    await living.beat()
    assert [name for _, name in cluster.removed] == [dead.id, dead.id]
    assert await living.living() == [living.id]


async def test_a_node_that_was_taken_for_dead_registers_again(cluster: Cluster) -> None:
    paused, living = cluster.node(), cluster.node()
    await paused.join()
    await living.join()
    await cluster.silence(paused)
    await living.beat()
    assert cluster.restored == []
    await paused.beat()
    assert cluster.restored == [paused.id]
    await paused.beat()
    assert cluster.restored == [paused.id]
    assert set(await living.living()) == {paused.id, living.id}


async def test_a_redis_that_lost_its_data_gets_it_back(cluster: Cluster, own_redis: RedisServer) -> None:
    node = cluster.node()
    await node.join()
    own_redis.kill()
    with pytest.raises(RedisUnavailable):
        await node.beat()
    own_redis.start()
    await node.beat()
    assert cluster.restored == [node.id]


async def test_a_node_that_leaves_cleans_up_behind_itself(cluster: Cluster) -> None:
    node = cluster.node()
    await node.join()
    await node.leave()
    assert cluster.removed == [(node.id, node.id)]


async def test_a_long_removal_holds_up_no_heartbeat(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 2.0)
    living, dead = Nodes(client, heartbeat_s=0.05), Nodes(client, heartbeat_s=0.05)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def remove(_: str) -> None:
        begun.set()
        await may_end.wait()

    living.on_node_dead(remove)
    await dead.join()
    await living.join()
    running = asyncio.create_task(living.run())
    await begun.wait()
    before = await heartbeat_of(client, living)

    async def has_beaten_again() -> bool:
        return await heartbeat_of(client, living) > before

    await eventually(has_beaten_again, True)
    assert await client.zscore(NODES, dead.id) is not None
    may_end.set()
    await eventually(living.living, [living.id])

    async def known() -> int:
        return int(await client.zcard(NODES))

    await eventually(known, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.aclose()


async def heartbeat_of(client: Client, node: Nodes) -> float:
    heartbeat = await client.zscore(NODES, node.id)
    assert heartbeat is not None
    return float(heartbeat)
