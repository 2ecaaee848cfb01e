"""Connections to Redis in each of its shapes: one server, a socket, Sentinel, Cluster.

redis-py does the work. This module sets every limit of redis-py explicitly, and turns its many exceptions
into :class:`~hornet.core.errors.RedisUnavailable`, which the flows expect.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import redis.exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from hornet.broker.failures import FAILURES, unavailable
from hornet.broker.url import RedisUrl, parse_url
from hornet.core.errors import RedisUnavailable, SetupError

__all__ = ["RedisUrl", "parse_url"]

T = TypeVar("T")

Client = Redis | RedisCluster

MAX_COMMANDS = 64
"""Commands under way at once; more wait for their turn. Otherwise each command would open a connection of its
own when all clients reconnect at the same moment, and redis-py from 8.0 on refuses the 101st."""


PUBLISH = """
local heard = {}
for i = 1, #ARGV, 2 do heard[#heard + 1] = redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
return heard
"""
"""One command for many messages: packing and answering each PUBLISH costs redis-py several times as much."""

PUBLISHES_PER_SCRIPT = 250
"""Redis serves no other client while a script runs; this script takes a fraction of a millisecond."""


class _Server(Redis):
    """A Redis that gets at most ``MAX_COMMANDS`` commands at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = _Turns(self.connection_pool.connection_kwargs["socket_timeout"])

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turns.turn():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # it has no types


class _SentinelMaster(_Server):
    """The master that Sentinel names. It closes the connections to the Sentinels too; redis-py never does."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        assert isinstance(pool, SentinelConnectionPool)
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


class ClusterClient(RedisCluster):
    """A Cluster that gets at most ``MAX_COMMANDS`` commands at once.

    Any of its nodes takes any PUBLISH, and passes it to the others. Messages that go through one node stay in
    order everywhere, but redis-py takes another node each time. So a message goes through the node that has
    the slot of its topic.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = _Turns(options["socket_timeout"])

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turns.turn():
            if args[0] == "PUBLISH":
                options["target_nodes"] = await self._owner(args[1])
            return await super().execute_command(*args, **options)

    async def publish(self, channel: Any, message: Any, **options: Any) -> Any:
        """Publish a message; redis-py has this method for clusters only from 8.0 on."""
        return await self.execute_command("PUBLISH", channel, message, **options)

    async def publish_all(self, publishes: Sequence[tuple[str, str]]) -> list[int]:
        """PUBLISH each (topic, body), those on one topic in order; return how many nodes received each."""
        parts: dict[ClusterNode, list[int]] = {}
        for number, (topic, _) in enumerate(publishes):
            parts.setdefault(await self._owner(topic), []).append(number)
        receivers = [0] * len(publishes)

        async def through(node: ClusterNode, numbers: list[int]) -> None:
            for at in range(0, len(numbers), PUBLISHES_PER_SCRIPT):
                part = numbers[at : at + PUBLISHES_PER_SCRIPT]
                counts = await self._publish(node, [publishes[number] for number in part])
                for number, count in zip(part, counts, strict=True):
                    receivers[number] = count

        await asyncio.gather(*(through(node, numbers) for node, numbers in parts.items()))
        return receivers

    async def publish_through(self, topic: str, publishes: Sequence[tuple[str, str]]) -> None:
        """PUBLISH each in order, on any topic, through the node that has the slot of ``topic``."""
        await self._publish(await self._owner(topic), publishes)

    async def _publish(self, node: ClusterNode, publishes: Sequence[tuple[str, str]]) -> list[int]:
        words = itertools.chain.from_iterable(publishes)
        counts: list[int] = await self.execute_command("EVAL", PUBLISH, 0, *words, target_nodes=node)
        return counts

    async def _owner(self, topic: str) -> ClusterNode:
        await self.initialize()
        node = self.get_node_from_key(topic)
        if node is None:
            raise redis.exceptions.ClusterDownError("no node has the slot")
        return node


class _Turns:
    """Lets ``MAX_COMMANDS`` run at once; a command without an answer after ``2 * timeout_s`` fails.

    That is time to connect and to be answered. redis-py keeps each step within ``timeout_s``, but before 7.2
    it made the connections of a pool one after the other, so commands to a Redis that hangs waited for
    minutes.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._free = asyncio.Semaphore(MAX_COMMANDS)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(2 * self._timeout_s), self._free:
                yield
        except TimeoutError:
            raise redis.exceptions.TimeoutError("no answer in time") from None


def connect(url: RedisUrl, timeout_s: float) -> Client:
    """Return a client for commands; it connects on first use and never retries by itself.

    A command that may have been carried out must not be sent twice: a retried PUBLISH is delivered twice.
    """
    options = _options(timeout_s)
    if url.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in url.hosts]
        return ClusterClient(startup_nodes=nodes, **url.login, **options)
    return _connect_server(url, options)


def connect_subscriber(url: RedisUrl, timeout_s: float, attempt: int = 0) -> Redis:
    """Return a client to subscribe with. In a Cluster every node gets each PUBLISH: ``attempt`` picks one."""
    options = _options(timeout_s)
    if url.scheme == "redis+cluster":
        host, port = url.hosts[attempt % len(url.hosts)]
        return Redis(host=host, port=port, **url.login, **options)
    return _connect_server(url, options)


async def check_reachable(url: RedisUrl, timeout_s: float) -> None:
    """Check that Redis answers at ``url``.

    Raises:
        SetupError: nothing answers, or Redis refuses the login; one sentence, without the password.
    """
    client = connect(url, timeout_s)
    try:
        await call(client.ping)
    except RedisUnavailable as error:
        raise SetupError(f"Redis at {url} can't be used: {error}.") from None
    finally:
        await client.aclose()


async def call(command: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
    """Await one redis-py call.

    Raises:
        RedisUnavailable: there is no answer, for a reason given in a few words; RefusedByRedis where an ACL
            is the reason, RedisFull where Redis has no memory left.
    """
    try:
        return await await_redis(command(*args, **options))
    except FAILURES as error:
        raise unavailable(error) from error


async def await_redis(awaitable: Awaitable[T]) -> T:
    """Await a call of redis-py; raise a cancellation that came meanwhile, even where redis-py lost it.

    redis-py sends through ``asyncio.wait_for``, which until Python 3.12 loses a cancellation that comes as it
    ends.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await awaitable
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def _connect_server(url: RedisUrl, options: dict[str, Any]) -> Redis:
    if url.scheme == "redis+sentinel":
        sentinel = Sentinel(url.hosts, sentinel_kwargs=dict(options), **options)
        client: Redis = sentinel.master_for(
            url.service, redis_class=_SentinelMaster, db=url.database, **url.login
        )
        return client
    return _Server.from_url(url.text, **options)


def _options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # redis-py's own default is 3 attempts, 10 from 8.0 on
        "protocol": 2,  # redis-py 8.0 made 3 the default: subscriptions would then answer as push messages
    }
