"""Redis dies, hangs, fills up, or wants another password: clients stay, and everything comes back."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from hornet.core import codes
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, SentinelServer, replicate
from tests.e2e.waiting import eventually
from tests.resilience.conftest import CHANNEL, END, Watch, Watched, heard_until_end

SERVICE = "test-service"


async def publish_until_heard(watched: Watched, type: str) -> None:
    """Publish again and again until a node receives it: nothing tells when it is subscribed again."""

    async def heard() -> bool:
        return await watched.publish(type) > 0

    await eventually(heard, True)


async def test_killed_and_restarted(own_redis: RedisServer, watch: Watch) -> None:
    watched = await watch(own_redis.url)
    client = await watched.connect(await watched.token())
    await watched.publish("before")
    own_redis.kill()
    await watched.becomes_unready()
    stranger = await watched.connect()
    await stranger.show("anytoken", CHANNEL)
    assert (await stranger.message())["error"] == codes.UNAVAILABLE
    own_redis.start()
    await watched.becomes_ready()
    await watched.publish("after")
    await stranger.show(await watched.token(), CHANNEL)
    assert (await stranger.message())["type"] == "connected"
    assert await watched.publish(END) == 1
    assert await heard_until_end(client) == ["before", "after"]
    assert await heard_until_end(stranger) == []
    assert await watched.metric("hornet_sessions") == 2
    assert await watched.metric("hornet_redis_reconnections_total") == 1


async def test_killed_again_and_again(own_redis: RedisServer, watch: Watch) -> None:
    watched = await watch(own_redis.url)
    client = await watched.connect(await watched.token())
    for number in range(3):
        own_redis.kill()
        await watched.becomes_unready()
        own_redis.start()
        await watched.becomes_ready()
        assert await watched.publish(f"message {number}") == 1
    await watched.publish(END)
    assert await heard_until_end(client) == ["message 0", "message 1", "message 2"]


async def test_paused(own_redis: RedisServer, watch: Watch) -> None:
    watched = await watch(own_redis.url)
    client = await watched.connect(await watched.token())
    await watched.publish("before")
    own_redis.pause()
    try:
        await watched.becomes_unready()
        stranger = await watched.connect()
        await stranger.show("anytoken", CHANNEL)
        assert (await stranger.message())["error"] == codes.UNAVAILABLE
    finally:
        own_redis.resume()
    await watched.becomes_ready()
    await watched.publish("after")
    await watched.publish(END)
    assert await heard_until_end(client) == ["before", "after"]


async def test_full(own_redis: RedisServer, watch: Watch) -> None:
    """A full Redis takes no new tokens and no heartbeats, but it still lets in and delivers."""
    watched = await watch(own_redis.url)
    early, late = await watched.token(), await watched.token()
    client = await watched.connect(early)
    async with Redis.from_url(own_redis.url) as admin:
        await admin.config_set("maxmemory", "1")
        with pytest.raises(OutOfMemoryError):
            await admin.set("anything", "x")
        assert await watched.publish("while full") == 1
        stranger = await watched.connect(late)
        await asyncio.sleep(0.5)  # more than a heartbeat of the node, which finds Redis full
        assert await watched.readiness() == (200, "ready")
        await admin.config_set("maxmemory", "0")
    await watched.publish(END)
    assert await heard_until_end(client) == ["while full"]
    assert await heard_until_end(stranger) == []


async def test_refusing_the_login(own_redis: RedisServer, watch: Watch) -> None:
    secret = "another-password"
    watched = await watch(own_redis.url)
    client = await watched.connect(await watched.token())
    async with Redis.from_url(own_redis.url, single_connection_client=True) as admin:
        await admin.config_set("requirepass", secret)
        await admin.execute_command("AUTH", secret)
        for kind in ("normal", "pubsub"):
            await admin.client_kill_filter(_type=kind, skipme=True)
        await watched.becomes_unready()
        await asyncio.to_thread(watched.server.wait_for_output, "(?i)authentication required")
        await admin.config_set("requirepass", "")
    await watched.becomes_ready()
    await watched.publish("after")
    await watched.publish(END)
    assert await heard_until_end(client) == ["after"]
    assert secret not in watched.server.output


async def test_data_lost(own_redis: RedisServer, watch: Watch) -> None:
    """Redis is emptied while the node runs: sessions go on, and the node registers again."""
    watched = await watch(own_redis.url)
    client = await watched.connect(await watched.token())
    async with Redis.from_url(own_redis.url) as admin:
        await admin.flushall()  # this Redis is the test's own

        async def registered() -> bool:
            return await admin.exists("hornet:nodes") == 1

        await eventually(registered, True)
    await watched.publish(END)
    assert await heard_until_end(client) == []


async def test_failing_over(start_redis: StartRedis, watch: Watch) -> None:
    """Sentinel promotes a replica: the node follows, and its clients miss only the messages of that time."""
    master = start_redis()
    replica = await replicate(master, start_redis)
    sentinel = SentinelServer(master, SERVICE)
    try:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/0/{SERVICE}"
        watched = await watch(url, backend=master.url)
        client = await watched.connect(await watched.token())
        await watched.publish("before")
        async with Redis(port=sentinel.port) as asked:

            async def replicas() -> int:
                return len(await asked.execute_command("SENTINEL SLAVES", SERVICE))

            await eventually(replicas, 1)
        master.kill()
        await watched.becomes_unready()
        watched.url = replica.url
        await watched.becomes_ready()
        await publish_until_heard(watched, "after")
        assert [(await client.message())["type"] for _ in range(2)] == ["before", "after"]
        stranger = await watched.connect(await watched.token())
        await watched.publish(END)
        assert await heard_until_end(client) == []
        assert await heard_until_end(stranger) == []
    finally:
        sentinel.remove()


async def test_two_nodes_come_back_with_each_client_hearing_once(
    own_redis: RedisServer, watch: Watch
) -> None:
    nodes = [await watch(own_redis.url) for _ in range(2)]
    clients = [await node.connect(await node.token()) for node in nodes for _ in range(2)]
    own_redis.kill()
    for node in nodes:
        await node.becomes_unready()
    own_redis.start()
    for node in nodes:
        await node.becomes_ready()
    for number in range(5):
        assert await nodes[0].publish(f"message {number}") == 2
    await nodes[0].publish(END)
    for client in clients:
        assert await heard_until_end(client) == [f"message {number}" for number in range(5)]
