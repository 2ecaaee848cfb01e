"""Publishing for backends over HTTP, in Redis: in order, and once."""

import asyncio

import pytest
from redis.asyncio import Redis

from hornet.broker.client import connect, parse_url
from hornet.broker.publisher import KeyReused, Once, Publication, Publisher
from hornet.core.errors import RedisUnavailable
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, make_cluster
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.e2e.server import free_port


async def test_publications_go_out_in_their_order_and_are_counted(
    redis: Redis, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix + "a")
        wanted = [Publication(prefix + "ab"[n % 2], str(n)) for n in range(600)]
        published = await Publisher(redis).publish(wanted)
        assert published.nodes == (1, 0) * 300
        assert not published.replayed
        assert [await heard.next() for _ in range(300)] == [
            (prefix + "a", str(n).encode()) for n in range(0, 600, 2)
        ]


async def test_a_repeated_publish_is_done_once_and_answered_alike(
    redis: Redis, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        publisher = Publisher(redis)
        wanted, once = [Publication(prefix, "once"), Publication(prefix + "2", "x")], Once(prefix, b"a", 60)
        answers = await asyncio.gather(*(publisher.publish_once(wanted, once) for _ in range(20)))
        assert {answer.nodes for answer in answers} == {(1, 0)}
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
        with pytest.raises(KeyReused):
            await publisher.publish_once([Publication(prefix, "other")], Once(prefix, b"b", 60))
        await publisher.publish([Publication(prefix, "last")])
        assert [payload for _, payload in [await heard.next(), await heard.next()]] == [b"once", b"last"]


async def test_a_cluster_publishes_both_ways(start_redis: StartRedis, prefix: str) -> None:
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
    await asyncio.to_thread(make_cluster, nodes)
    url = parse_url("redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes))
    heard = Heard()
    client = connect(url, 5)
    try:
        async with listening(nodes[0].url, heard) as subscriber:
            await subscriber.subscribe(prefix)
            publisher = Publisher(client)
            await publisher.publish([Publication(prefix, "one")])
            await publisher.publish([Publication(prefix, "two"), Publication(prefix, "three")])
            once = Once(prefix, b"", 60)
            await publisher.publish_once([Publication(prefix, "four")], once)
            assert (await publisher.publish_once([Publication(prefix, "four")], once)).replayed
            bodies = {(await heard.next())[1] for _ in range(4)}  # each node may have sent its own
            assert bodies == {b"one", b"two", b"three", b"four"}
    finally:
        await client.aclose()


async def test_a_publish_without_redis_raises_unavailable(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        own_redis.kill()
        with pytest.raises(RedisUnavailable):
            await Publisher(redis).publish([Publication("a", "b")])
        with pytest.raises(RedisUnavailable):
            await Publisher(redis).publish_once([Publication("a", "b")], Once("a", b"", 60))
