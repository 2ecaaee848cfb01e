"""Publishing for backends over HTTP, in Redis: in order, and once."""

import asyncio

import pytest
from redis.asyncio import Redis

from hornet.broker.publisher import KeyReused, Once, Publication, Publisher
from hornet.core.errors import RedisUnavailable
from tests.broker.servers import RedisServer
from tests.broker.test_listener import Heard, listening
from tests.conftest import Valkey


async def test_publications_go_out_in_their_order_and_are_counted(
    redis: Redis, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as listener:
        await listener.hold(prefix + "a")
        wanted = [Publication(prefix + "ab"[n % 2], str(n)) for n in range(600)]
        published = await Publisher(redis).publish(wanted)
        assert published.nodes == (1, 0) * 300
        assert not published.replayed
        assert [await heard.next() for _ in range(300)] == [
            (prefix + "a", str(n).encode()) for n in range(0, 600, 2)
        ]


async def test_one_request_is_done_once_and_answered_alike(redis: Redis, valkey: Valkey, prefix: str) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as listener:
        await listener.hold(prefix)
        publisher = Publisher(redis)
        wanted, once = [Publication(prefix, "once"), Publication(prefix + "2", "x")], Once(prefix, b"a", 60)
        answers = await asyncio.gather(*(publisher.publish_once(wanted, once) for _ in range(20)))
        assert {answer.nodes for answer in answers} == {(1, 0)}
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 19
        with pytest.raises(KeyReused):
            await publisher.publish_once([Publication(prefix, "other")], Once(prefix, b"b", 60))
        await publisher.publish([Publication(prefix, "last")])
        assert [payload for _, payload in [await heard.next(), await heard.next()]] == [b"once", b"last"]


async def test_without_redis_it_says_so(own_redis: RedisServer) -> None:
    async with Redis.from_url(own_redis.url) as redis:
        own_redis.kill()
        with pytest.raises(RedisUnavailable):
            await Publisher(redis).publish([Publication("a", "b")])
        with pytest.raises(RedisUnavailable):
            await Publisher(redis).publish_once([Publication("a", "b")], Once("a", b"", 60))
