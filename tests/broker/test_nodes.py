"""The nodes of the cluster, on a real Redis. Heartbeats are made by hand, so no test waits for time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hornet.broker.client import Client, connect
from hornet.broker.keys import NODES
from hornet.broker.nodes import MISSED_HEARTBEATS, Nodes
from hornet.broker.url import RedisUrl
from hornet.core.errors import RedisUnavailable
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually

HEARTBEAT_S = 4


class Cluster:
    """Nodes on a Redis of the test's own, and which dead nodes each of them removed."""

    def __init__(self, redis: RedisServer) -> None:
        self.url = redis.url
        self.client = connect(RedisUrl(redis.url), 2.0)
        self.removed: list[tuple[str, str]] = []
        self.restored: list[str] = []
        self.now = 0.0
        """What the clocks of the nodes show."""

    async def join(self, *nodes: Nodes) -> None:
        """Let the nodes join, and listen for so long that each may judge the others."""
        for node in nodes:
            await node.join()
        await self.listen(*nodes)

    async def listen(self, *nodes: Nodes) -> None:
        """Let time pass with regular heartbeats of the nodes, for as long as a node may be silent."""
        for _ in range(MISSED_HEARTBEATS):
            self.now += HEARTBEAT_S
            for node in nodes:
                await node.beat()

    def node(self, client: Client | None = None) -> Nodes:
        node = Nodes(client or self.client, heartbeat_s=HEARTBEAT_S, clock=lambda: self.now)

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
    await cluster.join(dead, *living)
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
    await cluster.join(dead, quick, late)
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
    await cluster.join(dead, living)
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
    await cluster.join(paused, living)
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


async def test_a_node_that_was_deaf_judges_no_other_until_it_has_heard_for_long_enough(
    cluster: Cluster,
) -> None:
    one, other, dead = [cluster.node() for _ in range(3)]
    await cluster.join(one, other, dead)
    assert one.may_judge
    cluster.now += 2 * HEARTBEAT_S  # a stall of Redis, or of this process
    assert not one.may_judge
    assert one.is_recovering
    for node in (other, dead):
        await cluster.silence(node)
    await one.beat()
    assert cluster.removed == [], "their heartbeats are on their way"
    await other.beat()
    await cluster.listen(one, other)
    assert cluster.removed == [(one.id, dead.id)]
    assert not one.is_recovering
    assert cluster.restored == []


async def test_a_node_that_just_started_judges_no_other(cluster: Cluster) -> None:
    old, new = cluster.node(), cluster.node()
    await old.join()
    await cluster.silence(old)
    await new.join()
    assert cluster.removed == []
    assert not new.is_recovering, "it was not deaf: it was not there"
    await cluster.listen(new)
    assert cluster.removed == [(new.id, old.id)]


async def test_a_node_that_beats_again_before_it_is_claimed_is_not_removed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges_late = connect(RedisUrl(cluster.url), 2.0)
    paused, judge = cluster.node(), cluster.node(judges_late)
    await cluster.join(paused, judge)
    await cluster.silence(paused)
    claim = judges_late.set

    async def claim_after_a_heartbeat(*args: Any, **options: Any) -> Any:
        await paused.beat()
        return await claim(*args, **options)

    monkeypatch.setattr(judges_late, "set", claim_after_a_heartbeat)
    await judge.beat()
    assert cluster.removed == []
    await judges_late.aclose()


async def test_a_long_removal_holds_up_no_heartbeat(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 2.0)
    living, dead = Nodes(client, heartbeat_s=0.2), Nodes(client, heartbeat_s=0.2)
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
