"""The history where Redis loses, refuses or evicts: what is missing is told, and messages still go out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client, RedisUrl, connect, parse_url
from hornet.broker.history import HistoryStore, Missing, Publication
from hornet.broker.history_functions import HistoryFunctions
from hornet.broker.history_scripts import DIGEST, LIBRARY_TEXT, VERSION
from hornet.broker.history_sweep import HistorySweep
from hornet.broker.history_types import Recorded
from hornet.broker.keys import HISTORY, HISTORY_SWEEPER
from hornet.broker.settings import HistorySettings
from hornet.core.errors import RedisUnavailable
from hornet.core.history import StreamPosition, split_stamp
from tests.broker.acl import NODE, grant, limited, url_of
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, make_cluster, replicate
from tests.broker.test_history import BYTES, NEWS, SPORT, open_store, publish, texts_since
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import eventually

OLD_REDIS = ("--rename-command", "FCALL", "", "--rename-command", "FUNCTION", "")
"""Options of a Redis without Functions, as before version 7."""


@asynccontextmanager
async def store_at(url: str, **settings: object) -> AsyncIterator[HistoryStore]:
    client = connect(RedisUrl(url), 5)
    try:
        yield await open_store(client, **settings)
    finally:
        await client.aclose()


async def publish_one(store: HistoryStore, topic: str, text: str) -> Recorded:
    [recorded] = await store.publish([Publication(topic, text)])
    return recorded


async def test_a_redis_that_lost_its_data_begins_another_epoch(redis: Redis) -> None:
    store = await open_store(redis)
    [before] = await publish(store, NEWS, "1")
    await redis.flushall()
    assert await texts_since(store, NEWS, before) == (False, [])
    [after] = await publish(store, NEWS, "2")
    assert after.epoch != before.epoch
    assert after.id > before.id
    assert await texts_since(store, NEWS, before) == (False, [])


async def test_a_publish_that_comes_first_begins_the_epoch_too(redis: Redis) -> None:
    store = await open_store(redis, history_channels=("news=7",))
    [before] = await publish(store, NEWS, "1")
    await redis.flushall()
    [after] = await publish(store, NEWS, "2")
    assert after.epoch != before.epoch
    await store.load()
    assert (await store.position()).epoch == after.epoch
    assert str(await redis.hget(HISTORY, "depths")).startswith("b'7 ")


async def test_a_stream_that_outlived_its_epoch_is_not_read(redis: Redis) -> None:
    store = await open_store(redis)
    await publish(store, NEWS, "old")
    await redis.delete(HISTORY)
    start = await store.position()
    assert await texts_since(store, NEWS, start) == (True, [])
    await publish(store, NEWS, "new")
    assert await texts_since(store, NEWS, start) == (True, [b"new"])


@pytest.mark.parametrize("field", ["epoch", "last", "floor"])
async def test_a_hash_that_someone_broke_begins_another_epoch(redis: Redis, field: str) -> None:
    store = await open_store(redis)
    [before] = await publish(store, NEWS, "1")
    await redis.hdel(HISTORY, field)
    assert await texts_since(store, NEWS, before) == (False, [])
    [after] = await publish(store, NEWS, "2")
    assert after.epoch != before.epoch


async def test_a_redis_that_was_restarted_empty_gets_the_functions_again(own_redis: RedisServer) -> None:
    async with store_at(own_redis.url) as store:
        [before] = await publish(store, NEWS, "1")
        own_redis.kill()
        with pytest.raises(RedisUnavailable):
            await store.publish([Publication(NEWS, "2")])
        own_redis.start()
        recorded = await asyncio.gather(*(publish_one(store, NEWS, str(n)) for n in range(20)))
        assert all(one.position and one.position.epoch != before.epoch for one in recorded)
        async with Redis(port=own_redis.port) as redis:
            assert await redis.execute_command("FCALL", "hornet_version", 0)


async def test_a_promoted_replica_begins_another_epoch(
    own_redis: RedisServer, start_redis: StartRedis
) -> None:
    async with store_at(own_redis.url) as store:
        [before] = await publish(store, NEWS, "1")
        replica = await replicate(own_redis, start_redis)
        async with Redis(port=replica.port) as admin:
            assert await admin.hget(HISTORY, "epoch") == before.epoch.encode()
            own_redis.kill()
            await admin.execute_command("REPLICAOF", "NO", "ONE")
        async with store_at(replica.url) as promoted:
            assert (await promoted.position()).epoch != before.epoch
            assert await texts_since(promoted, NEWS, before) == (False, [])
            [after] = await publish(promoted, NEWS, "2")
            assert after.id > before.id
            assert await texts_since(promoted, NEWS, StreamPosition(after.epoch, after.id - 1)) == (
                True,
                [b"2"],
            )


async def test_a_replica_publishes_without_recording(own_redis: RedisServer, start_redis: StartRedis) -> None:
    replica = await replicate(own_redis, start_redis)
    heard = Heard()
    async with listening(replica.url, heard) as subscriber, store_at(replica.url) as store:
        await subscriber.subscribe(NEWS)
        assert await publish_one(store, NEWS, "1") == Recorded(None, 1)
        assert (
            await store.publish([Publication(NEWS, "2"), Publication(NEWS, "3")]) == [Recorded(None, 1)] * 2
        )
        assert [(await heard.next())[1] for _ in range(3)] == [b"1", b"2", b"3"]
        assert store.unrecorded == 3


@pytest.mark.parametrize("options", [(), OLD_REDIS], ids=["functions", "scripts"])
async def test_a_full_redis_publishes_without_recording(
    start_redis: StartRedis, options: tuple[str, ...]
) -> None:
    server = start_redis("--maxmemory-policy", "noeviction", *options)
    heard = Heard()
    async with (
        Redis(port=server.port) as admin,
        listening(server.url, heard) as subscriber,
        store_at(server.url) as store,
    ):
        await subscriber.subscribe(NEWS)
        [first] = await publish(store, NEWS, "1")
        await admin.config_set("maxmemory", 1)
        assert await publish_one(store, NEWS, "2") == Recorded(None, 1)
        many = await store.publish([Publication(NEWS, "3"), Publication(NEWS, "4")])
        assert many == [Recorded(None, 1)] * 2
        assert store.unrecorded == 3
        position = StreamPosition(first.epoch, first.id - 1)
        assert await texts_since(store, NEWS, position) == (True, [b"1"])  # a full Redis is still read
        await admin.config_set("maxmemory", 0)
        assert (await publish_one(store, NEWS, "5")).position
        bodies = [split_stamp((await heard.next())[1])[1] for _ in range(5)]
        assert bodies == [b"1", b"2", b"3", b"4", b"5"]


async def test_what_redis_evicted_never_looks_whole(start_redis: StartRedis) -> None:
    server = start_redis("--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10")
    topics = [f"hornet:channel:c{n}" for n in range(40)]
    wanted = [f'{{"n":{n},"text":"{"x" * 500}"}}'.encode() for n in range(10)]
    async with Redis(port=server.port) as admin, store_at(server.url) as store:
        start = await store.position()
        for text in wanted:
            await store.publish([Publication(topic, text.decode()) for topic in topics])
        whole = [await texts_since(store, topic, start) for topic in topics]
        assert whole == [(True, wanted)] * len(topics)
        await admin.config_set("maxmemory", (await admin.info("memory"))["used_memory"] + 100_000)
        for n in range(3000):  # evicts most streams, and at last the hash, whichever were not used lately
            await admin.set(f"other:{n}", b"x" * 1000)
            if n % 100:
                continue
            histories = [await texts_since(store, topic, start) for topic in topics]
            assert all(texts == wanted for is_whole, texts in histories if is_whole)
        assert (await admin.info("stats"))["evicted_keys"] > 100
        assert (False, []) in histories


@pytest.mark.parametrize("gone", [f"{HISTORY}:s:{NEWS}", HISTORY])
async def test_a_key_that_was_evicted_is_told_also_after_the_next_message(redis: Redis, gone: str) -> None:
    store = await open_store(redis)
    start = await store.position()
    await publish(store, NEWS, "1")
    await redis.delete(gone)
    assert await texts_since(store, NEWS, start) == (False, [])
    await publish(store, NEWS, "2")
    assert not (await texts_since(store, NEWS, start))[0]


async def test_without_functions_scripts_do_the_same(
    start_redis: StartRedis, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_redis(*OLD_REDIS)
    async with store_at(server.url, history_channels=("sport=0",)) as store:
        assert "Functions need Redis 7 or Valkey" in caplog.text
        start = await store.position()
        first, second = await publish(store, NEWS, "1", "2")
        [third] = await publish(store, NEWS, "3")
        assert await texts_since(store, NEWS, start) == (True, [b"1", b"2", b"3"])
        assert (await publish_one(store, SPORT, "1")).position is None
        assert [message.id for message in (await store.page(NEWS, limit=2)).messages] == [first.id, second.id]
        assert await store.position() == third
        await store.note_plain([NEWS])
        await store.sweep()
        assert store.unrecorded == 0


async def test_an_acl_without_functions_is_named_and_scripts_are_used(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with limited(own_redis, *NODE.split()) as admin, store_at(url_of(own_redis)) as store:
        assert "+fcall +function|load" in caplog.text
        assert "lacks +info" in caplog.text
        start = await store.position()
        await publish(store, NEWS, "1")
        assert await texts_since(store, NEWS, start) == (True, [b"1"])
        await grant(admin, "+fcall", "+function|load")
        await store.load()
        await publish(store, NEWS, "2")
        assert await admin.execute_command("FCALL", "hornet_version", 0)
        await grant(admin, "-fcall")
        await publish(store, NEWS, "3")
        assert await texts_since(store, NEWS, start) == (True, [b"1", b"2", b"3"])


async def test_an_acl_that_refuses_the_history_lets_messages_out(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    rules = "resetkeys %RW~hornet:* allchannels -@all +@read +@write +@pubsub +@connection +eval +time"
    async with (
        limited(own_redis, *rules.split()),
        listening(own_redis.url, heard) as subscriber,
        store_at(url_of(own_redis)) as store,
    ):
        await subscriber.subscribe(NEWS)
        assert await publish_one(store, NEWS, "1") == Recorded(None, 1)
        assert await store.publish([Publication(NEWS, "2")] * 2) == [Recorded(None, 1)] * 2
        assert [(await heard.next())[1] for _ in range(3)] == [b"1", b"2", b"2"]
        assert "its user lacks %RW~{hornet:*" in caplog.text


async def test_a_publish_that_the_acl_refuses_is_not_recorded(own_redis: RedisServer) -> None:
    rules = "resetkeys %RW~{hornet:* resetchannels &hornet:channel:sport -@all +@all"
    async with limited(own_redis, *rules.split()) as admin, store_at(url_of(own_redis)) as store:
        start = await store.position()
        with pytest.raises(RedisUnavailable):
            await store.publish([Publication(NEWS, "1")])
        assert await texts_since(store, NEWS, start) == (True, [])
        assert (await publish_one(store, SPORT, "1")).position
        assert await admin.xlen(f"{HISTORY}:s:{NEWS}") == 0


async def test_a_later_library_is_left_alone_and_an_earlier_one_replaced(redis: Redis) -> None:
    functions = HistoryFunctions(redis)
    mine = f"{VERSION} {DIGEST}"
    for version, kept in ((VERSION + 1, f"{VERSION + 1} other"), (VERSION, mine), (VERSION - 1, mine)):
        other = LIBRARY_TEXT.replace(mine, f"{version} other")
        await redis.execute_command("FUNCTION", "LOAD", "REPLACE", other)
        await functions.load()
        assert await redis.execute_command("FCALL", "hornet_version", 0) == kept.encode()


async def test_topics_that_are_forgotten_raise_the_floor(redis: Redis) -> None:
    store = await open_store(redis)
    start = await store.position()
    [old] = await publish(store, NEWS, "1")
    await publish(store, "kind:news", "1")
    await store.note_plain([SPORT])
    await HistorySweep(redis, HistoryFunctions(redis)).run(0)
    assert [name for name in await redis.hkeys(HISTORY) if name[1:2] == b":"] == []
    assert await redis.keys(f"{HISTORY}:s:*") == []
    assert await store.topics_since(0) == []
    assert await texts_since(store, NEWS, start) == (False, [])
    assert await texts_since(store, SPORT, start) == (False, [])
    position = await store.position()
    assert await texts_since(store, NEWS, position) == (True, [])
    [new] = await publish(store, NEWS, "2")
    assert await texts_since(store, NEWS, position) == (True, [b"2"])
    assert await texts_since(store, NEWS, old) == (False, [b"2"])
    assert new.epoch == old.epoch


async def test_of_too_many_topics_the_longest_silent_are_forgotten(redis: Redis) -> None:
    store = await open_store(redis)
    start = await store.position()
    for n in range(6):
        await publish(store, f"hornet:channel:{n}", "x")
    await HistorySweep(redis, HistoryFunctions(redis), max_fields=2).run(3600)
    told = [(await texts_since(store, f"hornet:channel:{n}", start))[0] for n in range(6)]
    assert told == [False] * 4 + [True] * 2


async def test_one_node_sweeps_at_a_time(redis: Redis) -> None:
    store = await open_store(redis)
    await publish(store, NEWS, "1")
    await store.sweep()
    assert 0 < await redis.ttl(HISTORY_SWEEPER) <= 60
    await HistorySweep(redis, HistoryFunctions(redis)).run(0)
    assert await redis.hexists(HISTORY, f"c:{NEWS}")


async def test_run_makes_another_redis_ready(
    valkey: Valkey, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with store_at(valkey.url) as store:

        async def depths() -> str:
            return str(await redis.hget(HISTORY, "depths"))[2:4]

        running = asyncio.create_task(store.run())
        try:
            await redis.execute_command("FUNCTION", "FLUSH")
            store.configure(HistorySettings(history_channels=("news=5",)))
            await eventually(depths, "5 ")
            assert await redis.execute_command("FCALL", "hornet_version", 0)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def cluster(start_redis: StartRedis) -> AsyncIterator[tuple[Client, list[RedisServer]]]:
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
    await asyncio.to_thread(make_cluster, nodes)
    client = connect(parse_url("redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)), 5)
    yield client, nodes
    await client.aclose()


async def test_a_cluster_records_in_one_order_on_one_of_its_servers(
    cluster: tuple[Client, list[RedisServer]],
) -> None:
    client, nodes = cluster
    store = await open_store(client)
    for node in nodes:
        async with Redis(port=node.port) as redis:
            assert await redis.execute_command("FCALL", "hornet_version", 0)
    start = await store.position()
    topics = [f"hornet:channel:{n}" for n in range(8)]
    heard = Heard()
    async with listening(nodes[0].url, heard) as subscriber:
        for topic in topics:
            await subscriber.subscribe(topic)
        recorded = await store.publish([Publication(topics[n % 8], str(n)) for n in range(400)])
        heard_texts = [split_stamp((await heard.next())[1])[1] for _ in range(400)]
        assert heard_texts == [str(n).encode() for n in range(400)]
    ids = [one.position.id for one in recorded if one.position]
    assert len(ids) == 400
    assert ids == sorted(set(ids))
    answer = await store.read([Missing(topic, start, BYTES) for topic in topics])
    assert all(history.is_whole and len(history.entries) == 50 for history in answer.topics)
    assert len((await store.page(topics[0], limit=9, newest_first=True)).messages) == 9
    await store.note_plain(topics)
    await store.sweep()
