"""The transports of connectors through Redis, synchronous and for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import RedisCluster as AsyncRedisCluster
from redis.exceptions import ConnectionError, ResponseError

from hornet.broker.user_commands import RedisCommand
from hornet.connector import events
from hornet.connector.calls import ConnectorCall
from hornet.connector.recording import Recording

T = TypeVar("T")


class RedisTransport:
    """Sends the commands of calls to Redis. Safe to share between threads.

    A client that is handed in stays open at :meth:`close`. With ``record``, messages go into the history.
    """

    def __init__(self, redis: str | Redis, *, record: bool = True) -> None:
        self._recording = Recording() if record else None
        self._owns_redis = isinstance(redis, str)
        self.redis: Redis = Redis.from_url(redis) if isinstance(redis, str) else redis

    def run(self, call: ConnectorCall[T]) -> T:
        """Carry out a call; redis-py's own errors come out."""
        if call.is_transaction:
            return call.read_answers(self._execute_together(call.commands))
        if call.is_message and self._recording is not None:
            return call.read_answers([self._publish(self._recording, command) for command in call.commands])
        answers = self._execute(call.commands)
        if call.then is not None:
            answers = self._execute(call.then(answers))
        return call.read_answers(answers)

    def subscribe(self, names: str | Iterable[str]) -> Iterator[events.Event]:
        """Yield events without end; see :meth:`hornet.connector.Connector.subscribe`."""
        with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe(*events.event_topics(names))
            is_pinged = False
            while True:
                began = time.monotonic()
                try:
                    item = pubsub.get_message(timeout=events.POLL_S)
                    is_silent = events.is_silence(item, time.monotonic() - began)
                    if is_silent and is_pinged:
                        pubsub.connection.disconnect()
                        raise ConnectionError("no answer to a PING")
                    if is_silent:
                        pubsub.ping()
                except UnicodeDecodeError:  # only a client that decodes; its connection is out of step now
                    events.log_undecodable()
                    pubsub.connection.disconnect()
                    continue
                except events.LOSSES as error:
                    events.log_lost(error)
                    is_pinged = False
                    if isinstance(error, ResponseError):  # the connection is open, and has no subscription
                        pubsub.connection.disconnect()
                    time.sleep(events.RETRY_S)
                    continue  # redis-py connects and subscribes again on the next call
                is_pinged = is_silent
                if item is None or item["type"] == "pong":
                    continue
                event = events.parse_event(item["channel"], item["data"])
                if event is not None:
                    yield event

    def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        if self._owns_redis:
            self.redis.close()

    def _publish(self, recording: Recording, publish: RedisCommand) -> int:
        steps = recording.steps(*publish[1:])
        command = next(steps)
        while True:
            try:
                answer = self.redis.execute_command(*command)
            except ResponseError as refused:
                command = steps.throw(refused)
                continue
            try:
                command = steps.send(answer)
            except StopIteration as end:
                return int(end.value)

    def _execute(self, commands: Sequence[RedisCommand]) -> list[Any]:
        return [self.redis.execute_command(*command) for command in commands]

    def _execute_together(self, commands: Sequence[RedisCommand]) -> list[Any]:
        with self.redis.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return pipeline.execute()


class AsyncRedisTransport:
    """Sends the commands of calls to Redis, for one event loop.

    A client that is handed in stays open at :meth:`close`. With ``record``, messages go into the history.
    """

    def __init__(self, redis: str | AsyncRedis | AsyncRedisCluster, *, record: bool = True) -> None:
        self._recording = Recording() if record else None
        self._owns_redis = isinstance(redis, str)
        self.redis: AsyncRedis | AsyncRedisCluster = (
            AsyncRedis.from_url(redis) if isinstance(redis, str) else redis
        )

    async def run(self, call: ConnectorCall[T]) -> T:
        """Carry out a call; redis-py's own errors come out."""
        if call.is_transaction:
            return call.read_answers(await self._execute_together(call.commands))
        if call.is_message and self._recording is not None:
            published = [await self._publish(self._recording, command) for command in call.commands]
            return call.read_answers(published)
        answers = await self._execute(call.commands)
        if call.then is not None:
            answers = await self._execute(call.then(answers))
        return call.read_answers(answers)

    async def subscribe(self, names: str | Iterable[str]) -> AsyncIterator[events.Event]:
        """Yield events without end; see :meth:`hornet.connector.Connector.subscribe`."""
        async with self.redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(*events.event_topics(names))
            is_pinged = False
            while True:
                began = time.monotonic()
                try:
                    item = await pubsub.get_message(timeout=events.POLL_S)
                    is_silent = events.is_silence(item, time.monotonic() - began)
                    if is_silent and is_pinged:
                        await pubsub.connection.disconnect()
                        raise ConnectionError("no answer to a PING")
                    if is_silent:
                        await pubsub.ping()
                except UnicodeDecodeError:  # only a client that decodes; its connection is out of step now
                    events.log_undecodable()
                    await pubsub.connection.disconnect()
                    continue
                except events.LOSSES as error:
                    events.log_lost(error)
                    is_pinged = False
                    if isinstance(error, ResponseError):  # the connection is open, and has no subscription
                        await pubsub.connection.disconnect()
                    await asyncio.sleep(events.RETRY_S)
                    continue  # redis-py connects and subscribes again on the next call
                is_pinged = is_silent
                if item is None or item["type"] == "pong":
                    continue
                event = events.parse_event(item["channel"], item["data"])
                if event is not None:
                    yield event

    async def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        if self._owns_redis:
            await self.redis.aclose()

    async def _publish(self, recording: Recording, publish: RedisCommand) -> int:
        steps = recording.steps(*publish[1:])
        command = next(steps)
        while True:
            try:
                answer = await self.redis.execute_command(*command)
            except ResponseError as refused:
                command = steps.throw(refused)
                continue
            try:
                command = steps.send(answer)
            except StopIteration as end:
                return int(end.value)

    async def _execute(self, commands: Sequence[RedisCommand]) -> list[Any]:
        return [await self.redis.execute_command(*command) for command in commands]

    async def _execute_together(self, commands: Sequence[RedisCommand]) -> list[Any]:
        async with self.redis.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute()
        return answers
