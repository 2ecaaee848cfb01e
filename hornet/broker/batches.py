"""Many commands at once, in one round trip.

When all clients of a node reconnect at the same moment, each shows a token. One command on its own costs
redis-py some 200 µs and a connection; in a batch it costs a fifth of that, and one connection serves all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from hornet.broker.client import Client, call
from hornet.broker.failures import unavailable
from hornet.core.errors import RedisUnavailable

MAX_BATCH = 256
"""Commands in one round trip; more wait for the next, so that no answer waits for thousands of others."""

PAUSE_S = 0.01
"""Time between two round trips while many ask: the fixed cost of one is then shared by more commands. A
command that comes alone does not wait."""

Waiting = tuple[tuple[Any, ...], asyncio.Future[Any]]


class CommandBatcher:
    """Sends what is asked for while a round trip is under way together in the next one, in order.

    ``pause_s`` is waited between two round trips. 0 is for callers who wait for one answer after the other.
    """

    def __init__(self, client: Client, *, pause_s: float = PAUSE_S) -> None:
        self._client = client
        self._pause_s = pause_s
        self._waiting: deque[Waiting] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def execute(self, *command: Any) -> Any:
        """The answer to one command, which must name all its keys in one slot.

        Raises:
            RedisUnavailable: not known whether it was carried out; or Redis answered with an error.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_waiting(), name="hornet-redis-batch")
        return await answer

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                size = min(MAX_BATCH, len(self._waiting))
                await self._send([self._waiting.popleft() for _ in range(size)])
                await asyncio.sleep(self._pause_s)
        finally:
            self._sender = None

    async def _send(self, batch: list[Waiting]) -> None:
        try:
            answers = await self._ask([command for command, _ in batch])
        except RedisUnavailable as error:
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        for (_, answer), given in zip(batch, answers, strict=True):
            if answer.done():  # whoever asked has gone
                continue
            if isinstance(given, RedisUnavailable):
                answer.set_exception(type(given)(*given.args))  # each has its own: a raised one keeps its way
            elif isinstance(given, ResponseError):
                answer.set_exception(unavailable(given))
            else:
                answer.set_result(given)

    async def _ask(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if isinstance(self._client, RedisCluster):  # each command goes to the node that has its key
            asked = (call(self._client.execute_command, *command) for command in commands)
            return await asyncio.gather(*asked, return_exceptions=True)
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = await call(pipeline.execute, raise_on_error=False)
        return answers
