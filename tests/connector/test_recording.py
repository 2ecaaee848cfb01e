"""What connectors publish is recorded, by whichever way Redis permits, and goes out in any case."""

import pytest
import redis as redis_py
from redis.asyncio import Redis, RedisCluster

from hornet.broker.history import HistoryStore
from hornet.broker.keys import HISTORY
from hornet.broker.settings import HistorySettings
from hornet.connector import AsyncConnector, Connector
from hornet.connector.recording import LOST_S, REFUSED_S, Recording
from hornet.core.history import split_stamp
from tests.broker.acl import limited, url_of
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, make_cluster
from tests.broker.test_history_faults import OLD_REDIS
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.connector.shapes import Make, Shape
from tests.e2e.server import free_port

TOPICS = ("hornet:channel:a", "hornet:channel:b", "hornet:user:7", "kind:news")


async def load(redis: Redis) -> None:
    """Load the Functions, as a node does."""
    await HistoryStore(redis, HistorySettings()).load()


async def publish_all(connector: Shape) -> int:
    """Publish once on each of TOPICS; return how many nodes heard it, summed."""
    return (
        await connector.publish(("a", "b"), "x")
        + await connector.notify(7, "x")
        + await connector.publish_to_pattern({"kind": "news"}, [1])
    )


async def heard_ids(url: str, make: Make, **options: object) -> list[int | None]:
    """Return the ids that messages on TOPICS were heard with, None for plain ones."""
    heard = Heard()
    async with listening(url, heard) as subscriber:
        for topic in TOPICS:
            await subscriber.subscribe(topic)
        connector = make(url, **options)
        assert await publish_all(connector) == len(TOPICS)
        await connector.close()
        ids = []
        for topic in TOPICS:
            heard_topic, payload = await heard.next()
            assert heard_topic == topic
            stamp = split_stamp(payload)[0]
            ids.append(None if stamp is None else stamp.id)
        return ids


async def test_messages_and_notices_are_recorded(make: Make, valkey: Valkey, redis: Redis) -> None:
    await load(redis)
    await redis.config_resetstat()
    ids = await heard_ids(valkey.url, make)
    assert None not in ids
    assert [await redis.hget(HISTORY, f"c:{topic}") for topic in TOPICS] == [str(id).encode() for id in ids]
    assert "cmdstat_eval" not in await redis.info("commandstats")


async def test_without_functions_a_script_records(make: Make, start_redis: StartRedis) -> None:
    assert None not in await heard_ids(start_redis(*OLD_REDIS).url, make)


async def test_without_record_a_publish_is_plain(make: Make, valkey: Valkey, redis: Redis) -> None:
    await load(redis)
    assert await heard_ids(valkey.url, make, record=False) == [None] * 4
    assert await redis.keys(f"{HISTORY}:s:*") == []


async def test_a_user_without_rights_to_the_history_publishes_plainly(
    make: Make, own_redis: RedisServer
) -> None:
    rules = "resetkeys resetchannels allchannels -@all +publish +subscribe +ping +@connection"
    async with limited(own_redis, *rules.split()) as admin:
        assert await heard_ids(url_of(own_redis), make) == [None] * 4
        assert await admin.exists(HISTORY) == 0


async def test_a_user_with_rights_to_some_channels_records_there_alone(
    make: Make, own_redis: RedisServer
) -> None:
    rules = (
        "resetkeys %RW~{hornet:history} %RW~{hornet:history}:s:hornet:channel:a resetchannels "
        "&hornet:channel:a -@all +publish +fcall +time +hmget +hset +unlink +xadd +xdel +pexpire +hdel"
    )
    async with limited(own_redis, *rules.split()) as admin:
        await load(admin)
        connector = make(url_of(own_redis))
        assert await connector.publish("a", "x") == 0
        with pytest.raises(redis_py.exceptions.NoPermissionError):
            await connector.publish("b", "x")
        assert await connector.publish("a", "x") == 0
        await connector.close()
        assert await admin.xlen(f"{HISTORY}:s:hornet:channel:a") == 2
        assert await admin.exists(f"{HISTORY}:s:hornet:channel:b") == 0


async def test_a_full_redis_publishes_plainly(make: Make, own_redis: RedisServer) -> None:
    async with Redis(port=own_redis.port) as admin:
        await load(admin)
        await admin.config_set("maxmemory", 1)
        assert await heard_ids(own_redis.url, make) == [None] * 4


async def test_a_redis_that_lost_the_functions_is_recorded_by_script(
    make: Make, valkey: Valkey, redis: Redis
) -> None:
    await redis.execute_command("FUNCTION", "FLUSH")
    assert None not in await heard_ids(valkey.url, make)


@pytest.mark.parametrize("kind", [Connector, AsyncConnector])
def test_the_api_always_records(kind: type[Connector | AsyncConnector]) -> None:
    with pytest.raises(ValueError, match="records all messages"):
        kind("http://127.0.0.1:1", key="a:publish:0123456789abcdef", record=False)


async def test_a_cluster_records(start_redis: StartRedis) -> None:
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(3)]
    make_cluster(nodes)
    heard = Heard()
    async with (
        RedisCluster.from_url(nodes[0].url.removesuffix("/0")) as cluster,
        listening(nodes[0].url, heard) as subscriber,
    ):
        await subscriber.subscribe("hornet:channel:a")
        connector = AsyncConnector(cluster)
        await HistoryStore(cluster, HistorySettings()).load()
        for _ in range(3):
            await connector.publish("a", "x")
            assert split_stamp((await heard.next())[1])[0]


def first_command(recording: Recording) -> str:
    return next(recording.steps("topic", "text"))[0]


def test_a_way_that_redis_refused_is_tried_again_later() -> None:
    now = 0.0
    recording = Recording(clock=lambda: now)
    for reason, pause_s in (("Function not found", LOST_S), ("unknown command 'FCALL'", REFUSED_S)):
        steps = recording.steps("topic", "text")
        assert next(steps)[0] == "FCALL"
        assert steps.throw(redis_py.exceptions.ResponseError(reason))[0] == "EVAL"
        refused = redis_py.exceptions.NoPermissionError("User a has no permissions to run the 'eval' command")
        assert steps.throw(refused)[0] == "PUBLISH"
        assert first_command(recording) == "PUBLISH"
        now += pause_s
        assert first_command(recording) == "FCALL"


@pytest.mark.parametrize(
    "reason",
    [
        "OOM command not allowed",
        "READONLY You can't write",
        "MISCONF Redis is configured",
        "ACL failure in script: x",
    ],
)
def test_what_concerns_one_message_is_forgotten_with_it(reason: str) -> None:
    recording = Recording()
    steps = recording.steps("topic", "text")
    next(steps)
    assert steps.throw(redis_py.exceptions.ResponseError(reason)) == ("PUBLISH", "topic", "text")
    assert first_command(recording) == "FCALL"
