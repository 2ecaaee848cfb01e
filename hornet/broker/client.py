"""Connections to Redis in each of its shapes: one server, a socket, Sentinel, Cluster.

redis-py does the work. This module sets its limits on purpose, and turns its many exceptions into
:class:`~hornet.core.errors.RedisUnavailable` where the flows expect one.
"""

from __future__ import annotations

import asyncio
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
from hornet.broker.url import RedisUrl, manager_url, parse_url
from hornet.core.errors import RedisUnavailable, SetupError

__all__ = ["RedisUrl", "manager_url", "parse_url"]

T = TypeVar("T")

Client = Redis | RedisCluster

MAX_COMMANDS = 64
"""Commands under way at once; more wait for their turn. When all clients reconnect at the same moment, each
command would else open a connection of its own, and redis-py from 8.0 on refuses the 101st."""


class _Server(Redis):
    """A Redis of which at most ``MAX_COMMANDS`` commands are asked at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = _Turns(self.connection_pool.connection_kwargs["socket_timeout"])

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turns.turn():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # it has no types


class _SentinelMaster(_Server):
    """The master that Sentinel names. redis-py never closes its connections to the Sentinels; this does."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool = self.connection_pool
        assert isinstance(pool, SentinelConnectionPool)
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


class _Cluster(RedisCluster):
    """A Cluster of which at most ``MAX_COMMANDS`` commands are asked at once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._turns = _Turns(options["socket_timeout"])

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turns.turn():
            return await super().execute_command(*args, **options)

    async def publish(self, channel: Any, message: Any, **options: Any) -> Any:
        """redis-py has it for clusters only from 8.0 on."""
        return await self.execute_command("PUBLISH", channel, message, **options)


class _Turns:
    """Lets ``MAX_COMMANDS`` in; whoever has no answer ``2 * timeout_s`` after it asked is sent away.

    That is time to connect and to be answered. redis-py keeps each step within ``timeout_s``, but before 7.2
    it made the connections of a pool one after the other: those behind a Redis that hangs waited for minutes.
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
    """A client for commands; it connects on first use and never retries by itself.

    A command that may have been carried out is not sent twice: a retried PUBLISH would be delivered twice.
    """
    options = _options(timeout_s)
    if url.scheme == "redis+cluster":
        nodes = [ClusterNode(host, port) for host, port in url.hosts]
        return _Cluster(startup_nodes=nodes, **url.login, **options)
    return _connect_server(url, options)


def connect_subscriber(url: RedisUrl, timeout_s: float, attempt: int = 0) -> Redis:
    """A client to subscribe with. In a Cluster every node hears each PUBLISH: ``attempt`` picks one."""
    options = _options(timeout_s)
    if url.scheme == "redis+cluster":
        host, port = url.hosts[attempt % len(url.hosts)]
        return Redis(host=host, port=port, **url.login, **options)
    return _connect_server(url, options)


async def check_reachable(url: RedisUrl, timeout_s: float) -> None:
    """Raises:
    SetupError: nothing answers at the URL, or it refuses the login; one sentence, without the password.
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
        RedisUnavailable: whatever kept the command from its answer, in a few words; RefusedByRedis where that
            is an ACL.
    """
    try:
        return await heed(command(*args, **options))
    except FAILURES as error:
        raise unavailable(error) from error


async def heed(awaitable: Awaitable[T]) -> T:
    """Await; raise a cancellation that was asked for meanwhile, even where redis-py lost it.

    It sends through ``asyncio.wait_for``, which until Python 3.12 loses a cancellation that comes as it ends.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        return await awaitable
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


async def publish_all(client: Client, publishes: Sequence[tuple[str, str]]) -> None:
    """PUBLISH each (topic, body) in order; one round trip where Redis is not a Cluster.

    Raises:
        RedisUnavailable: some may have been published.
    """
    if isinstance(client, RedisCluster):  # its pipeline has no PUBLISH
        for topic, body in publishes:
            await call(client.publish, topic, body)
        return
    pipeline = client.pipeline(transaction=False)
    for topic, body in publishes:
        pipeline.publish(topic, body)
    await call(pipeline.execute)


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
