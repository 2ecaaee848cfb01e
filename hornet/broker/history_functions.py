"""Runs the scripts of the history as Functions, or with EVAL where Redis has or permits no Functions."""

from __future__ import annotations

import logging
from typing import Any

from redis.asyncio import RedisCluster

from hornet.broker.batching import CommandBatcher
from hornet.broker.client import Client, call
from hornet.broker.history_scripts import DIGEST, LIBRARY_TEXT, VERSION, script
from hornet.broker.keys import HISTORY
from hornet.core.errors import RedisUnavailable

log = logging.getLogger(__name__)

LOST = "Function not found"
"""How Redis answers when it was restarted empty."""

REFUSALS = ("unknown command", "'fcall'", "'function|load'", "'function'", "no permissions to run")
"""What the answer of a Redis contains that has no Functions, or whose ACL refuses them."""


class HistoryFunctions:
    """Loads the library on each Redis server that takes writes, and again where one has lost it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._batcher = CommandBatcher(client, pause_s=0)
        self.uses_functions = True

    async def load(self) -> None:
        """Load the library where it is missing or older. Where that is refused, use EVAL from now on.

        Raises:
            RedisUnavailable: Redis is not there.
        """
        try:
            if isinstance(self._client, RedisCluster):
                await call(self._client.initialize)
                for node in self._client.get_primaries():
                    await self._load(target_nodes=node)
            else:
                await self._load()
        except RedisUnavailable as error:
            if not is_refusal(error):
                raise
            if self.uses_functions:
                log.warning(
                    "Redis records by scripts, which cost it more than Functions: %s. Functions need Redis 7 "
                    "or Valkey, and the rules +fcall +function|load for Hornet's user",
                    error,
                )
            self.uses_functions = False
        else:
            self.uses_functions = True

    async def _load(self, **target: Any) -> None:
        try:
            answer: bytes = await call(self._client.execute_command, "FCALL", "hornet_version", 0, **target)
        except RedisUnavailable as error:
            if LOST not in str(error):
                raise
        else:
            version, _, digest = answer.decode().partition(" ")
            if int(version) > VERSION or (int(version), digest) == (VERSION, DIGEST):
                return
        await call(self._client.execute_command, "FUNCTION", "LOAD", "REPLACE", LIBRARY_TEXT, **target)

    def command(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Return the command that runs the function now."""
        if self.uses_functions:
            return "FCALL", name, 1, HISTORY, *arguments
        return "EVAL", script(name), 1, HISTORY, *arguments

    async def execute(self, *command: Any) -> Any:
        """Return the answer to a command; it keeps its turn among the functions that run."""
        return await self._batcher.execute(*command)

    async def run(self, name: str, *arguments: Any) -> Any:
        """Run a function and return its answer; load the library first where Redis has lost it.

        Calls run in the order in which they are made, and many share a round trip.

        Raises:
            RedisUnavailable: it is not known whether the function has run; RedisTakesNoWrites and
                RefusedByRedis: it has not.
        """
        try:
            return await self._batcher.execute(*self.command(name, *arguments))
        except RedisUnavailable as error:
            if not self.uses_functions or not (LOST in str(error) or is_refusal(error)):
                raise
        await self.load()
        return await self._batcher.execute(*self.command(name, *arguments))


def is_refusal(error: RedisUnavailable) -> bool:
    """Return whether Functions are what Redis does not have or permit."""
    text = str(error).lower()
    return any(part in text for part in REFUSALS) and not text.startswith("it does not permit what a script")
