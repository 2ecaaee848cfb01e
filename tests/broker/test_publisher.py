"""Publishing for backends over HTTP, in Redis: in order, and once."""

import asyncio

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client, connect, parse_url
from hornet.broker.history import HistoryStore
from hornet.broker.keys import HISTORY
from hornet.broker.publisher import KeyReused, Once, Publication, Publisher
from hornet.broker.settings import HistorySettings
from hornet.core.errors import RedisUnavailable
from hornet.core.history import split_stamp
from tests.broker.acl import limited, url_of
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, make_cluster
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.e2e.server import free_port


def publisher_of(client: Client) -> Publisher:
    return Publisher(client, HistoryStore(client, HistorySettings()))


async def test_publications_go_out_in_their_order_and_are_counted(
    redis: Redis, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix + "a")
        wanted = [Publication(prefix + "ab"[n % 2], str(n)) for n in range(600)]
        published = await publisher_of(redis).publish(wanted)
        assert published.nodes == (1, 0) * 300
        assert not published.replayed
        heard_texts = [split_stamp((await heard.next())[1])[1] for _ in range(300)]
        assert heard_texts == [str(n).encode() for n in range(0, 600, 2)]
        ids = [position.id for position in published.positions if position]
        assert len(ids) == 600
        assert ids == sorted(set(ids))


async def test_a_repeated_publish_is_done_once_and_answered_alike(
    redis: Redis, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        publisher = publisher_of(redis)
        wanted, once = [Publication(prefix, "once"), Publication(prefix + "2", "x")], Once(prefix, b"a", 60)
        answers = await asyncio.gather(*(publisher.publish_once(wanted, once) for _ in range(20)))
        assert {answer.nodes for answer in answers} == {(1, 0)}
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
        with pytest.raises(KeyReused):
            await publisher.publish_once([Publication(prefix, "other")], Once(prefix, b"b", 60))
        await publisher.publish([Publication(prefix, "last")])
        stamp, text = split_stamp((await heard.next())[1])
        assert text == b"once"
        assert stamp is not None
        assert {answer.positions[0] for answer in answers} == {(stamp.epoch, stamp.id)}
        assert split_stamp((await heard.next())[1])[1] == b"last"


async def test_without_history_a_publish_once_is_plain(redis: Redis, valkey: Valkey, prefix: str) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        publisher = Publisher(redis, HistoryStore(redis, HistorySettings(history_count=0)))
        once = Once(prefix, b"a", 60)
        for replayed in (False, True):
            published = await publisher.publish_once([Publication(prefix, "{}")] * 2, once)
            assert (published.nodes, published.positions) == ((1, 1), (None, None))
            assert published.replayed == replayed
        assert [(await heard.next())[1] for _ in range(2)] == [b"{}", b"{}"]
        assert await redis.exists(HISTORY) == 0


async def test_an_acl_that_refuses_the_history_still_lets_publish_once(own_redis: RedisServer) -> None:
    rules = "resetkeys %RW~hornet:idempotency:* allchannels -@all +@read +@write +@pubsub +@connection +eval"
    async with limited(own_redis, *rules.split()), Redis.from_url(url_of(own_redis)) as redis:
        for replayed in (False, True):
            published = await publisher_of(redis).publish_once([Publication("a", "b")], Once("a", b"", 60))
            assert (published.positions, published.replayed) == ((None,), replayed)


async def test_a_cluster_publishes_both_ways(start_redis: StartRedis, prefix: str) -> None:
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
    await asyncio.to_thread(make_cluster, nodes)
    url = parse_url("redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes))
    heard = Heard()
    client = connect(url, 5)
    try:
        async with listening(nodes[0].url, heard) as subscriber:
            await subscriber.subscribe(prefix)
            publisher = publisher_of(client)
            await publisher.publish([Publication(prefix, "one")])
            await publisher.publish([Publication(prefix, "two"), Publication(prefix, "three")])
            once = Once(prefix, b"", 60)
            await publisher.publish_once([Publication(prefix, "four")], once)
            assert (await publisher.publish_once([Publication(prefix, "four")], once)).replayed
            bodies = [split_stamp((await heard.next())[1])[1] for _ in range(4)]
            assert bodies == [b"one", b"two", b"three", b"four"]  # all through the node that has the history
    finally:
        await client.aclose()


async def test_a_publish_without_redis_raises_unavailable(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        own_redis.kill()
        with pytest.raises(RedisUnavailable):
            await publisher_of(redis).publish([Publication("a", "b")])
        with pytest.raises(RedisUnavailable):
            await publisher_of(redis).publish_once([Publication("a", "b")], Once("a", b"", 60))
