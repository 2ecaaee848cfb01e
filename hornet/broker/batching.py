"""Many commands, or many calls of one script, in one round trip.

When all clients of a node reconnect at the same moment, each shows a token. A command of its own costs
redis-py some 200 µs and a connection. In a batch it costs a fifth of that, and one connection serves all. A
call of a script that shares a command with others, with one answer for all of them, costs a twentieth.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import ResponseError

from hornet.broker.client import Client, call
from hornet.broker.failures import unavailable
from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import dump_json

log = logging.getLogger(__name__)

MAX_BATCH = 256
"""Commands in one round trip; more wait for the next, so that no answer waits for thousands of others."""

PAUSE_S = 0.01
"""Time between two round trips while many commands come: more of them then share the fixed cost of a round
trip. A command that comes alone does not wait."""

# Each call has its own KEYS and ARGV. How many keys each has, and its arguments, come as one JSON text, since
# redis-py takes some 2 µs to pack a word. An error ends the call that it happens in, and no other.
_EACH_CALL = """
local function script(KEYS, ARGV)
%s
end
local answers, key = {}, 1
for _, one in ipairs(cjson.decode(ARGV[1])) do
  local keys = {}
  for i = key, key + one[1] - 1 do keys[#keys + 1] = KEYS[i] end
  key = key + one[1]
  local ok, answer = pcall(script, keys, one[2])
  if not ok then answer = {err = type(answer) == 'table' and answer.err or tostring(answer)} end
  answers[#answers + 1] = answer
end
return answers
"""

QueuedCommand = tuple[tuple[Any, ...], asyncio.Future[Any]]
"""A command, and the future of its answer."""


class CommandBatcher:
    """Sends the commands that come during a round trip together in the next one, in order.

    ``pause_s`` is waited between two round trips. 0 is for callers that wait for one answer after the other.
    """

    def __init__(self, client: Client, *, pause_s: float = PAUSE_S) -> None:
        self._client = client
        self._pause_s = pause_s
        self._queue: deque[QueuedCommand] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def execute(self, *command: Any) -> Any:
        """Return the answer to one command, all of whose keys must be in one slot.

        Raises:
            RedisUnavailable: it is not known whether the command was carried out; or Redis answered with an
                error.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((command, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_queue(), name="hornet-redis-batch")
        return await answer

    async def _send_queue(self) -> None:
        try:
            while self._queue:
                size = min(MAX_BATCH, len(self._queue))
                await self._send([self._queue.popleft() for _ in range(size)])
                await asyncio.sleep(self._pause_s)
        finally:
            self._sender = None

    async def _send(self, batch: list[QueuedCommand]) -> None:
        try:
            results = await self._execute_batch([command for command, _ in batch])
        except RedisUnavailable as error:
            results = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        except (
            Exception
        ) as error:  # a closed transport of uvloop raises RuntimeError, which redis-py passes on
            log.exception("A batch of %d commands could not be sent", len(batch))
            results = [unavailable(error)] * len(batch)
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():  # its caller was cancelled
                continue
            if isinstance(result, RedisUnavailable):
                # Each caller gets its own: an exception collects the traceback of every place that raises it.
                answer.set_exception(type(result)(*result.args))
            elif isinstance(result, ResponseError):
                answer.set_exception(unavailable(result))
            else:
                answer.set_result(result)

    async def _execute_batch(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if isinstance(self._client, RedisCluster):  # each command goes to the node that has its key
            executing = (call(self._client.execute_command, *command) for command in commands)
            return await asyncio.gather(*executing, return_exceptions=True)
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = await call(pipeline.execute, raise_on_error=False)
        return answers


class ScriptBatcher:
    """Makes the calls of a script that come during a round trip together in the next one, in order.

    ``script`` sees one call's ``KEYS`` and ``ARGV``, and must answer something other than nil.
    """

    def __init__(self, client: Client, script: str) -> None:
        self._batcher = _CallBatcher(client, _EACH_CALL % script)

    async def execute(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """Return the script's answer to one call; ``keys`` must be in one slot.

        Raises:
            RedisUnavailable: it is not known whether the call was carried out; or Redis answered with an
                error.
        """
        return await self._batcher.execute(keys, arguments)


class _CallBatcher(CommandBatcher):
    """A batcher whose "commands" are the keys and arguments of one script."""

    def __init__(self, client: Client, script: str) -> None:
        super().__init__(client)
        self._script = script

    async def _execute_batch(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if isinstance(self._client, RedisCluster):  # each call goes to the node that has its keys
            evaluating = (self._evaluate([command]) for command in commands)
            results = await asyncio.gather(*evaluating, return_exceptions=True)
            return [result if isinstance(result, BaseException) else result[0] for result in results]
        return await self._evaluate(commands)

    async def _evaluate(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        keys = [key for names, _ in calls for key in names]
        text = dump_json([(len(names), arguments) for names, arguments in calls])
        answers: list[Any] = await call(self._client.eval, self._script, len(keys), *keys, text)
        return answers
