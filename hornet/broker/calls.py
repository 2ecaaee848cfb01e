"""Many calls of one script, in one command.

A command on its own costs redis-py some 200 µs and a connection, in a pipeline a fifth of that; a call that
shares a command with others, with one answer for all of them, costs a twentieth.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import RedisCluster

from hornet.broker.batches import CommandBatcher
from hornet.broker.client import Client, call
from hornet.core.jsontext import dump_json

# Each call has its own KEYS and ARGV. How many keys each has, and its arguments, come as one JSON text, since
# redis-py takes some 2 µs to pack a word. An error ends the call that it happens in, and no other.
_EACH = """
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


class ScriptBatcher:
    """Makes the calls that are asked for while a round trip is under way together in the next one, in order.

    ``script`` sees one call's ``KEYS`` and ``ARGV``, and must answer something other than nil.
    """

    def __init__(self, client: Client, script: str) -> None:
        self._batches = _OneCommand(client, _EACH % script)

    async def make(self, keys: Sequence[str], arguments: Sequence[str]) -> Any:
        """The script's answer to one call; ``keys`` must be of one slot.

        Raises:
            RedisUnavailable: not known whether it was carried out; or Redis answered with an error.
        """
        return await self._batches.execute(keys, arguments)


class _OneCommand(CommandBatcher):
    """Batches whose "commands" are keys and arguments of one script."""

    def __init__(self, client: Client, script: str) -> None:
        super().__init__(client)
        self._script = script

    async def _ask(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        if isinstance(self._client, RedisCluster):  # each call goes to the node that has its keys
            answers = await asyncio.gather(*(self._eval([one]) for one in commands), return_exceptions=True)
            return [answer if isinstance(answer, BaseException) else answer[0] for answer in answers]
        return await self._eval(commands)

    async def _eval(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        keys = [key for names, _ in calls for key in names]
        text = dump_json([(len(names), arguments) for names, arguments in calls])
        answers: list[Any] = await call(self._client.eval, self._script, len(keys), *keys, text)
        return answers
