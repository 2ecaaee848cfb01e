"""What stands between clients, nodes and Redis in a continuity run: the balancer and the proxies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from redis.asyncio import Redis

from benchmarks.continuity.balancer import Balancer
from benchmarks.continuity.redis_proxy import RedisProxy, end_of_reply, is_message
from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EchoNode:
    """Answers each line with its own name and the line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                writer.write(f"{self.name} {line.decode()}".encode())
        writer.close()


@asynccontextmanager
async def balanced(*names: str) -> AsyncIterator[tuple[Balancer, list[asyncio.Server]]]:
    servers = [await asyncio.start_server(EchoNode(name).serve, "127.0.0.1", 0) for name in names]
    balancer = Balancer([server.sockets[0].getsockname()[1] for server in servers])
    await balancer.start()
    try:
        yield balancer, servers
    finally:
        await balancer.stop()
        for server in servers:
            server.close()


@asynccontextmanager
async def request(balancer: Balancer, query: str) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
    try:
        writer.write(f"GET /{query} HTTP/1.1\r\n".encode())
        yield reader, writer
    finally:
        writer.close()


async def answer(balancer: Balancer, query: str) -> str:
    """Return the name of the node that answers a request."""
    async with request(balancer, query) as (reader, _), asyncio.timeout(DEADLINE_S):
        line = await reader.readline()
    return line.decode().partition(" ")[0]


async def ends(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_new_sessions_go_to_the_nodes_in_turn_and_stay_there() -> None:
    async with balanced("a", "b") as (balancer, _):
        first = [await answer(balancer, f"?client={client}") for client in range(4)]
        again = [await answer(balancer, f"?client={client}&sid=s") for client in range(4)]
    assert first in (["a", "b", "a", "b"], ["b", "a", "b", "a"])
    assert again == first


async def test_a_node_that_does_not_listen_is_passed_over() -> None:
    async with balanced("a", "b") as (balancer, servers):
        servers[0].close()
        await servers[0].wait_closed()
        assert [await answer(balancer, f"?client={client}") for client in range(3)] == ["b"] * 3


async def test_a_client_that_is_cut_loses_its_connections_and_gets_none_until_it_is_restored() -> None:
    async with balanced("a") as (balancer, _):
        async with request(balancer, "?client=1") as (reader, _writer):
            await reader.readline()
            balancer.cut(1)
            assert await ends(reader)
        async with request(balancer, "?client=1") as (refused, _writer):
            assert await ends(refused)
        assert await answer(balancer, "?client=2") == "a"
        balancer.restore(1)
        assert await answer(balancer, "?client=1") == "a"


async def test_a_silenced_client_gets_what_was_held_back_once_it_is_restored() -> None:
    async with balanced("a") as (balancer, _), request(balancer, "?client=1") as (reader, writer):
        await reader.readline()
        balancer.silence(1)
        writer.write(b"held back\r\n")
        async with request(balancer, "?client=1") as (later, _writer):
            assert await answer(balancer, "?client=2") == "a"
            assert not later.at_eof()
            balancer.restore(1)
            async with asyncio.timeout(DEADLINE_S):
                assert await reader.readline() == b"a held back\r\n"
                assert (await later.readline()).startswith(b"a GET")


@asynccontextmanager
async def proxied(valkey: Valkey, prefix: str) -> AsyncIterator[tuple[RedisProxy, Redis, Redis]]:
    """Yield a proxy with a subscription to ``prefix``, the subscriber, and a client of the server itself."""
    proxy = RedisProxy(valkey.port)
    await proxy.start()
    async with Redis(port=proxy.port) as subscriber, Redis(port=valkey.port) as direct:
        try:
            yield proxy, subscriber, direct
        finally:
            await proxy.stop()


async def heard(receive: Callable[[], Awaitable[object]]) -> object:
    async with asyncio.timeout(DEADLINE_S):
        while (item := await receive()) is None:
            pass
    return item


async def test_messages_pass_and_the_subscription_is_found_among_the_connections(
    valkey: Valkey, prefix: str
) -> None:
    async with proxied(valkey, prefix) as (proxy, through, direct):
        await through.ping()
        assert proxy.subscriptions == []
        async with through.pubsub(ignore_subscribe_messages=True) as subscriber:
            await subscriber.subscribe(prefix)
            await direct.publish(prefix, "one\r\ntwo")
            item = await heard(lambda: subscriber.get_message(timeout=1))
            assert isinstance(item, dict)
            assert item["data"] == b"one\r\ntwo"
            assert len(proxy.subscriptions) == 1


async def test_a_deaf_subscription_answers_ping_and_hears_nothing(valkey: Valkey, prefix: str) -> None:
    async with proxied(valkey, prefix) as (proxy, through, direct), through.pubsub() as subscriber:
        await subscriber.subscribe(prefix)
        await heard(lambda: subscriber.get_message(timeout=1))
        [connection] = proxy.subscriptions
        connection.deaf = True
        assert await direct.publish(prefix, "unheard") == 1
        await subscriber.ping()
        item = await heard(lambda: subscriber.get_message(timeout=1))
        assert isinstance(item, dict)
        assert item["type"] == "pong"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\n\r\n\r\n", True),
        (b">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nc\r\n$1\r\nx\r\n", True),
        (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", False),
        (b"+PONG\r\n", False),
        (b"%1\r\n$6\r\nserver\r\n*1\r\n:1\r\n", False),
        (b"$-1\r\n", False),
    ],
    ids=["message", "pattern", "pong on a subscription", "pong", "map", "nil"],
)
def test_replies_are_told_apart(reply: bytes, message: bool) -> None:
    assert is_message(reply) is message
    assert end_of_reply(b"+\r\n" + reply + b":1\r\n", 3) == 3 + len(reply)
    assert all(end_of_reply(reply[:end], 0) == 0 for end in range(len(reply)))
