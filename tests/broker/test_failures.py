"""The errors of a real Redis in trouble, and Hornet's errors for them."""

import asyncio
import shutil
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from hornet.broker.batching import CommandBatcher
from hornet.broker.client import Client, call, connect
from hornet.broker.failures import MAX_BACKOFF_S, backoff_s, unavailable
from hornet.broker.keys import channel_topic
from hornet.broker.publisher import Once, Publication
from hornet.broker.url import RedisUrl
from hornet.core.errors import RedisUnavailable, RefusedByRedis
from tests.broker.acl import limited, url_of
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer
from tests.broker.test_client import every_failure
from tests.broker.test_publisher import publisher_of
from tests.broker.test_subscriber import Heard, listening
from tests.e2e.server import free_port
from tests.e2e.waiting import eventually

WRITE = "return redis.call('SET', KEYS[1], 'x')"
PUBLICATIONS = [Publication(channel_topic("news"), '{"type":"x"}')]


async def failure(client: Client, *command: object) -> RedisUnavailable:
    """How a command fails, alone and in a batch: the same way."""
    with pytest.raises(RedisUnavailable) as alone:
        await call(client.execute_command, *command)
    with pytest.raises(RedisUnavailable) as in_a_batch:
        await CommandBatcher(client).execute(*command)
    assert type(in_a_batch.value) is type(alone.value)
    assert str(in_a_batch.value) == str(alone.value)
    assert "\n" not in str(alone.value)
    return alone.value


async def test_full(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 1.0)
    async with Redis(port=own_redis.port) as admin:
        await admin.config_set("maxmemory", "1")
        assert "it is full" in str(await failure(client, "SET", "a", "b"))
        assert "it is full" in str(await failure(client, "EVAL", WRITE, 1, "a"))
    await client.aclose()


async def test_a_replica(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 1.0)
    async with Redis(port=own_redis.port) as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", free_port())
        assert "takes no writes" in str(await failure(client, "SET", "a", "b"))
        assert "takes no writes" in str(await failure(client, "EVAL", WRITE, 1, "a"))
        await admin.config_set("replica-serve-stale-data", "no")
        assert "a part of it is down" in str(await failure(client, "GET", "a"))
    await client.aclose()


async def test_a_disk_that_fails(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 1.0)
    async with Redis(port=own_redis.port, decode_responses=True) as admin:
        await admin.config_set("save", "3600 1")
        shutil.rmtree(own_redis.folder)
        await admin.bgsave()

        async def status() -> str:
            return str((await admin.info("persistence"))["rdb_last_bgsave_status"])

        await eventually(status, "err")
        assert "can't save to its disk" in str(await failure(client, "SET", "a", "b"))
        assert "can't save to its disk" in str(await failure(client, "EVAL", WRITE, 1, "a"))
    await client.aclose()


async def test_a_wrong_password_and_none(start_redis: StartRedis) -> None:
    server = start_redis("--requirepass", "another")
    for login in ("", ":wrong@", "app:wrong@"):
        client = connect(RedisUrl(f"redis://{login}127.0.0.1:{server.port}/0"), 1.0)
        assert "it refuses the login" in str(await failure(client, "GET", "a"))
        await client.aclose()


async def test_a_missing_right(own_redis: RedisServer) -> None:
    async with limited(own_redis, "~hornet:*", "resetchannels", "&hornet:*", "+@all", "-del"):
        client = connect(RedisUrl(url_of(own_redis)), 1.0)
        for command in (
            ("GET", "other"),
            ("DEL", "hornet:a"),
            ("PUBLISH", "other", "x"),
            ("EVAL", "return redis.call('PUBLISH', 'other', 'x')", 0),
            ("EVAL", "return redis.call('DEL', KEYS[1])", 1, "hornet:a"),
        ):
            refused = await failure(client, *command)
            assert isinstance(refused, RefusedByRedis), command
            assert "does not permit" in str(refused)
        await client.aclose()


async def said_by(client: Client) -> str:
    """What it says when it is asked for a key, without its own words for it."""
    try:
        await call(client.execute_command, "GET", "a")
    except RedisUnavailable as error:
        return str(error).partition(" (")[0]
    return "ready"


async def test_loading_its_data(own_redis: RedisServer) -> None:
    async with Redis(port=own_redis.port) as admin:
        await admin.mset({f"key{number}": "x" * 100 for number in range(2000)})
        await admin.save()
    own_redis.kill()
    own_redis.launch("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    client = connect(RedisUrl(own_redis.url), 1.0)

    await eventually(lambda: said_by(client), "it still loads its data")
    await eventually(lambda: said_by(client), "ready")
    await client.aclose()


async def test_a_cluster_without_all_of_its_slots(start_redis: StartRedis) -> None:
    server = start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    client = connect(RedisUrl(server.url), 1.0)
    assert "a part of it is down" in str(await failure(client, "GET", "a"))
    await client.aclose()
    clustered = connect(RedisUrl(f"redis+cluster://127.0.0.1:{server.port}"), 1.0)
    with pytest.raises(RedisUnavailable):
        await call(clustered.execute_command, "GET", "a")
    await clustered.aclose()


async def test_a_script_that_does_not_end(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 2.0)
    async with Redis(port=own_redis.port) as admin, Redis(port=own_redis.port) as other:
        await admin.config_set("busy-reply-threshold", "50")
        endless = asyncio.ensure_future(other.eval("while true do end", 0))

        await eventually(lambda: said_by(client), "a script keeps it busy")
        await admin.script_kill()
        with suppress(RedisError):
            await endless
        await eventually(lambda: said_by(client), "ready")
    await client.aclose()


@pytest.mark.parametrize("kind", every_failure(), ids=lambda one: one.__name__)
def test_every_failure_has_one_line_of_words(kind: type[Exception]) -> None:
    error = kind("1 127.0.0.1:2")  # AskError and MovedError read an address from it
    ours = unavailable(error)
    assert str(ours)
    assert "\n" not in str(ours)
    assert isinstance(ours, RefusedByRedis) == issubclass(kind, NoPermissionError)


@pytest.mark.parametrize("trouble", ["full", "replica"])
async def test_what_could_not_be_remembered_was_not_published(own_redis: RedisServer, trouble: str) -> None:
    """Whoever is told that it failed asks again, with the same id: it must not be delivered twice then."""
    client = connect(RedisUrl(own_redis.url), 1.0)
    heard, once = Heard(), Once("a", b"content", 60)
    async with Redis(port=own_redis.port) as admin, listening(own_redis.url, heard) as subscriber:
        await subscriber.subscribe(channel_topic("news"))
        if trouble == "full":
            await admin.config_set("maxmemory", "1")
        else:
            await admin.execute_command("REPLICAOF", "127.0.0.1", free_port())
        with pytest.raises(RedisUnavailable):
            await publisher_of(client).publish_once(PUBLICATIONS, once)
        await admin.config_set("maxmemory", "0")
        await admin.execute_command("REPLICAOF", "NO", "ONE")
        await subscriber.wait_connected()
        for is_again in (False, True):
            done = await publisher_of(client).publish_once(PUBLICATIONS, once)
            assert done.nodes == (1,)
            assert done.replayed == is_again
        await admin.publish(channel_topic("news"), "end")
        assert [(await heard.next_published())[1] for _ in range(2)] == [b'{"type":"x"}', b"end"]
    await client.aclose()


@pytest.mark.parametrize(
    ("attempt", "longest"), [(0, 0.1), (1, 0.2), (3, 0.8), (6, MAX_BACKOFF_S), (10_000, MAX_BACKOFF_S)]
)
def test_a_backoff_doubles_up_to_a_limit_and_is_different_each_time(attempt: int, longest: float) -> None:
    waits = [backoff_s(attempt, 0.1) for _ in range(200)]
    assert longest / 2 <= min(waits) < 0.6 * longest
    assert 0.9 * longest < max(waits) <= longest
    assert len(set(waits)) > 100
