"""Many calls of one script at once, in one command.

When all clients of a node reconnect at the same moment, each shows a token. A command on its own costs
redis-py some 200 µs and a connection; in a pipeline it costs a fifth of that; a call in a batch, which is
one command with one answer, a twentieth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from hornet.broker.client import Client, call, explain
from hornet.core.errors import RedisUnavailable

MAX_BATCH = 256
"""Calls in one command; more wait for the next, so that no answer waits for thousands of others, and Redis,
which does nothing else meanwhile, is free again within a millisecond or so."""

PAUSE_S = 0.01
"""Time between two round trips while many ask: the fixed cost of one is then shared by more calls. A call
that comes alone does not wait."""

# Each call has its own KEYS and ARGV; ahead of its arguments stands how many of both there are. An error
# ends the call that it happens in, and no other.
_EACH = """
local function script(KEYS, ARGV)
%s
end
local answers, key, at = {}, 1, 1
while at <= #ARGV do
  local keys, arguments = {}, {}
  local keys_end, at_end = key + ARGV[at], at + 2 + ARGV[at + 1]
  for i = key, keys_end - 1 do keys[#keys + 1] = KEYS[i] end
  for i = at + 2, at_end - 1 do arguments[#arguments + 1] = ARGV[i] end
  key, at = keys_end, at_end
  local ok, answer = pcall(script, keys, arguments)
  if not ok then answer = {err = type(answer) == 'table' and answer.err or tostring(answer)} end
  answers[#answers + 1] = answer
end
return answers
"""

Call = tuple[Sequence[str], Sequence[str]]
"""The keys and the arguments of one call."""


class Batches:
    """Makes the calls that are asked for while a round trip is under way together in the next one, in order.

    ``script`` sees one call's ``KEYS`` and ``ARGV``, and must return something other than nil.
    """

    def __init__(self, client: Client, script: str) -> None:
        self._client = client
        self._script = _EACH % script
        self._waiting: deque[tuple[Call, asyncio.Future[Any]]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def call(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """The script's answer to one call; ``keys`` must be of one slot.

        Raises:
            RedisUnavailable: not known whether it was carried out; or Redis answered with an error.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(((keys, arguments), answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_waiting(), name="hornet-redis-batch")
        return await answer

    async def _send_waiting(self) -> None:
        try:
            while self._waiting:
                size = min(MAX_BATCH, len(self._waiting))
                await self._send([self._waiting.popleft() for _ in range(size)])
                await asyncio.sleep(PAUSE_S)
        finally:
            self._sender = None

    async def _send(self, batch: list[tuple[Call, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._ask([asked for asked, _ in batch])
        except RedisUnavailable as error:
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        for (_, answer), given in zip(batch, answers, strict=True):
            if answer.done():  # whoever asked has gone
                continue
            if isinstance(given, RedisUnavailable | ResponseError):
                answer.set_exception(RedisUnavailable(explain(given)))
            else:
                answer.set_result(given)

    async def _ask(self, calls: list[Call]) -> list[Any]:
        if isinstance(self._client, RedisCluster):  # each call goes to the node that has its keys
            answers = await asyncio.gather(*(self._eval([one]) for one in calls), return_exceptions=True)
            return [answer if isinstance(answer, BaseException) else answer[0] for answer in answers]
        return await self._eval(calls)

    async def _eval(self, calls: list[Call]) -> list[Any]:
        keys = [key for names, _ in calls for key in names]
        words = [
            word for names, arguments in calls for word in (str(len(names)), str(len(arguments)), *arguments)
        ]
        answers: list[Any] = await call(self._client.eval, self._script, len(keys), *keys, *words)
        return answers
