"""Connections in each shape that a URL can name, to real servers; and how their failures come out."""

import asyncio
import inspect
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import redis.asyncio.sentinel
import redis.exceptions
import trustme
from redis.asyncio import Redis

from hornet.broker.client import (
    MAX_COMMANDS,
    call,
    check_reachable,
    connect,
    connect_subscriber,
)
from hornet.broker.events import EventPublisher
from hornet.broker.failures import FAILURES
from hornet.broker.keys import EVENTS_CONNECT, MANAGER_TOPIC, channel_topic
from hornet.broker.publisher import Publication
from hornet.broker.tokens import TokenStore
from hornet.broker.url import RedisUrl, parse_url
from hornet.core.credentials import Credentials
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.grants import Grant
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer, SentinelServer, Wire, make_cluster, replicate
from tests.broker.test_publisher import publisher_of
from tests.broker.test_subscriber import Heard, listening, wait_lost
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S, eventually

PASSWORD = "p@ss:wörd%"
ENCODED = "p%40ss%3Aw%C3%B6rd%25"
SERVICE = "test-service"
NEEDED = (
    "resetkeys %RW~hornet:* %RW~{hornet:* resetchannels &hornet:* &socketio "
    "-@all +@read +@write -@dangerous +@pubsub +@connection +eval +time"
)

Shape = Callable[[StartRedis], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def plain(start: StartRedis) -> AsyncIterator[str]:
    yield start().url


@asynccontextmanager
async def password(start: StartRedis) -> AsyncIterator[str]:
    yield f"redis://:{ENCODED}@127.0.0.1:{start('--requirepass', PASSWORD).port}/0"


@asynccontextmanager
async def user(start: StartRedis) -> AsyncIterator[str]:
    server = start()
    async with Redis(port=server.port) as admin:
        await admin.execute_command("ACL SETUSER", "app", "on", f">{PASSWORD}", *NEEDED.split())
        await admin.execute_command("ACL SETUSER", "default", "off")
    yield f"redis://app:{ENCODED}@127.0.0.1:{server.port}/0"


@asynccontextmanager
async def unix(start: StartRedis) -> AsyncIterator[str]:
    server = start("--unixsocket", "redis.sock", "--requirepass", PASSWORD)
    yield f"unix://:{ENCODED}@{server.folder}/redis.sock?db=1"


@asynccontextmanager
async def tls(start: StartRedis) -> AsyncIterator[str]:
    """The Valkey of the wheel has no TLS of its own: it stands behind one that has."""
    server = start("--requirepass", PASSWORD)
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(server.folder / "ca.pem"))
    async with Wire(server.port, tls=context) as wire:
        yield f"rediss://:{ENCODED}@127.0.0.1:{wire.port}/0?ssl_ca_certs={server.folder}/ca.pem"


@asynccontextmanager
async def sentinel(start: StartRedis) -> AsyncIterator[str]:
    server = SentinelServer(start(), SERVICE)
    yield f"redis+sentinel://127.0.0.1:{server.port},127.0.0.1:{free_port()}/0/{SERVICE}"
    server.remove()


def cluster_of(size: int) -> Shape:
    @asynccontextmanager
    async def cluster(start: StartRedis) -> AsyncIterator[str]:
        nodes = [
            start(
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                str(free_port()),
                "--cluster-node-timeout",
                "2000",
            )
            for _ in range(size)
        ]
        await asyncio.to_thread(make_cluster, nodes)
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)

    return cluster


SHAPES = {
    "one server": plain,
    "password": password,
    "user with no more rights than needed": user,
    "unix socket": unix,
    "TLS": tls,
    "Sentinel": sentinel,
    "cluster of one": cluster_of(1),
    "cluster of three": cluster_of(3),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
async def test_tokens_messages_and_events_work_in_every_shape(
    start_redis: StartRedis, shape: Shape, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    heard = Heard()
    async with shape(start_redis) as text:
        url = parse_url(text)
        await check_reachable(url, 5.0)
        client = connect(url, 5.0)
        try:
            async with listening(text, heard) as subscriber:
                tokens = TokenStore(client)
                for number in range(20):  # in a cluster of three, some for each node
                    await tokens.create(f"token{number}", Grant(channels=("a", "b")), 120)
                    await tokens.take(Credentials(f"token{number}", ("a",)))
                    with pytest.raises(RefusedCredentials, match="INVALID_TOKEN"):
                        await tokens.take(Credentials(f"token{number}", ("a",)))
                await tokens.create("unused", Grant(channels=("a",)), 120)
                await tokens.revoke(("unused", "no such token"))
                with pytest.raises(RefusedCredentials, match="INVALID_TOKEN"):
                    await tokens.take(Credentials("unused", ("a",)))

                await asyncio.gather(
                    *map(subscriber.subscribe, (channel_topic("a"), EVENTS_CONNECT, MANAGER_TOPIC))
                )
                await call(client.publish, channel_topic("a"), "1")
                await publisher_of(client).publish([Publication(channel_topic("a"), text) for text in "23"])
                for expected in (b"1", b"2", b"3"):
                    assert await heard.next_published() == (channel_topic("a"), expected)

                events = EventPublisher(client)
                events.tell_connect("t", ("a", "b"))
                await events.flush(5.0)
                for channel in (b"a", b"b"):
                    assert await heard.next() == (EVENTS_CONNECT, b'{"token":"t","channel":"%s"}' % channel)

                await call(client.publish, MANAGER_TOPIC, "{}")
                assert await heard.next() == (MANAGER_TOPIC, b"{}")
        finally:
            await client.aclose()
    for secret in (PASSWORD, ENCODED):
        assert secret not in str(url)
        assert secret not in repr(url)
        assert secret not in caplog.text


async def test_a_failover_of_sentinel_is_followed_by_commands_and_subscription(
    start_redis: StartRedis,
) -> None:
    master = start_redis()
    await replicate(master, start_redis)
    sentinel = SentinelServer(master, SERVICE)
    heard = Heard()
    url = parse_url(f"redis+sentinel://127.0.0.1:{sentinel.port}/0/{SERVICE}")
    client = connect(url, 1.0)
    try:
        async with (
            listening(url.text, heard, heartbeat_s=1.0) as subscriber,
            Redis(port=sentinel.port) as asked,
        ):
            await subscriber.subscribe("topic")
            assert await call(client.publish, "topic", "before") == 1
            assert await heard.next() == ("topic", b"before")

            async def replicas() -> int:
                return len(await asked.execute_command("SENTINEL SLAVES", SERVICE))

            await eventually(replicas, 1)
            master.kill()
            await wait_lost(subscriber)
            with pytest.raises(RedisUnavailable):
                await call(client.publish, "topic", "lost")

            async def heard_by() -> int:
                try:
                    return int(await call(client.publish, "topic", "after"))
                except RedisUnavailable:
                    return 0

            await eventually(heard_by, 1)
            assert await heard.next() == ("topic", b"after")
    finally:
        await client.aclose()
        sentinel.remove()


async def test_in_a_cluster_the_subscription_moves_to_a_node_that_lives(start_redis: StartRedis) -> None:
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) for _ in range(2)]
    await asyncio.to_thread(make_cluster, nodes)
    heard = Heard()
    text = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    async with listening(text, heard, timeout_s=1.0) as subscriber, Redis(port=nodes[1].port) as redis:
        await subscriber.subscribe("topic")
        nodes[0].kill()
        await wait_lost(subscriber)
        await subscriber.wait_connected()
        assert await redis.publish("topic", b"still") == 1
        assert await heard.next() == ("topic", b"still")


def every_failure() -> list[type[Exception]]:
    modules = (redis.exceptions, redis.asyncio.sentinel)
    found = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)}
    return sorted(
        {one for one in found if issubclass(one, Exception)} | {OSError, TimeoutError, ConnectionResetError},
        key=lambda one: one.__name__,
    )


@pytest.mark.parametrize("kind", every_failure(), ids=lambda one: one.__name__)
async def test_every_failure_of_redis_py_comes_out_as_redis_unavailable(kind: type[Exception]) -> None:
    async def fail() -> None:
        raise kind("1 127.0.0.1:2")  # AskError and MovedError read an address from it

    assert issubclass(kind, FAILURES)
    with pytest.raises(RedisUnavailable) as raised:
        await call(fail)
    assert isinstance(raised.value.__cause__, kind)
    assert str(raised.value)


async def test_a_bug_of_ours_and_a_cancellation_pass() -> None:
    for kind in (KeyError, asyncio.CancelledError):

        async def fail(kind: type[BaseException] = kind) -> None:
            raise kind

        with pytest.raises(kind):
            await call(fail)


@pytest.mark.parametrize("ends", ["with an answer", "with a failure"])
async def test_a_cancellation_that_a_call_lost_is_raised_after_it(ends: str) -> None:
    started = asyncio.Event()

    async def lose() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == "with a failure":
                raise OSError from None

    task = asyncio.create_task(call(lose))
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_thousand_commands_at_once_share_few_connections(own_redis: RedisServer) -> None:
    """redis-py from 8.0 on refuses a command that would need a 101st connection."""
    async with Wire(own_redis.port) as wire:
        client = connect(RedisUrl(wire.url), 5.0)
        tokens = TokenStore(client)
        names = [f"token{number}" for number in range(1000)]
        await asyncio.gather(*(tokens.create(name, Grant(channels=("a",)), 120) for name in names))
        await asyncio.gather(*(tokens.take(Credentials(name, ("a",))) for name in names))
        assert wire.most_connections <= MAX_COMMANDS
        await client.aclose()


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
async def test_commands_that_wait_for_a_redis_that_hangs_give_up_together(
    start_redis: StartRedis, scheme: str
) -> None:
    server = start_redis("--cluster-enabled", "yes" if scheme == "redis+cluster" else "no",
                         "--cluster-port", str(free_port()))  # fmt: skip
    if scheme == "redis+cluster":
        await asyncio.to_thread(make_cluster, [server])
    client = connect(RedisUrl(f"{scheme}://127.0.0.1:{server.port}"), 0.5)
    await call(client.ping)
    server.pause()
    async with asyncio.timeout(DEADLINE_S):
        answers = await asyncio.gather(
            *(call(client.publish, "x", "y") for _ in range(4 * MAX_COMMANDS)), return_exceptions=True
        )
    assert {type(answer) for answer in answers} == {RedisUnavailable}
    server.resume()

    async def works() -> bool:
        try:
            return bool(await call(client.ping))
        except RedisUnavailable:
            return False

    await eventually(works, True)
    await client.aclose()


async def test_a_command_is_never_sent_twice(own_redis: RedisServer) -> None:
    async with Redis(port=own_redis.port) as redis:
        client = connect(RedisUrl(own_redis.url), 0.2)
        await call(client.ping)
        own_redis.pause()
        with pytest.raises(RedisUnavailable):
            await call(client.rpush, "list", "x")
        own_redis.resume()
        await client.aclose()

        async def length() -> int:
            return int(await redis.llen("list"))

        await eventually(length, 1)
        assert (await redis.info("commandstats"))["cmdstat_rpush"]["calls"] == 1


async def test_a_subscriber_of_one_server_ignores_the_attempt(valkey: Valkey) -> None:
    for attempt in range(3):
        client = connect_subscriber(RedisUrl(valkey.url), 1.0, attempt)
        assert await call(client.ping)
        await client.aclose()
