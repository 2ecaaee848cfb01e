"""Forgets topics on which nothing was recorded for long, so that the hash of the history stays small."""

from __future__ import annotations

from redis.asyncio import RedisCluster

from hornet.broker.client import Client, call
from hornet.broker.history_functions import HistoryFunctions
from hornet.broker.keys import HISTORY, HISTORY_SWEEPER

MAX_FIELDS = 200_000
"""Of the hash. With more topics, those that were silent for the longest are forgotten earlier."""

EVERY_S = 55
PAGE = 500
"""Fields that one command handles, so that Redis serves other clients in between."""


class HistorySweep:
    """One node of all sweeps at a time, at most every ``EVERY_S``."""

    def __init__(self, client: Client, functions: HistoryFunctions, *, max_fields: int = MAX_FIELDS) -> None:
        self._client = client
        self._functions = functions
        self._max_fields = max_fields

    async def run(self, age_s: float) -> None:
        """Forget topics whose last message is older than ``age_s``, and the longest silent of too many."""
        if not await call(self._client.set, HISTORY_SWEEPER, 1, nx=True, ex=EVERY_S):
            return
        seconds, micros = await self._time()
        until = seconds * 1_000_000 + micros - int(age_s * 1_000_000)
        fields = await self._fields()
        surplus = len(fields) - self._max_fields
        if surplus > 0:
            until = max(until, sorted(id for _, id in fields)[surplus - 1])
        due = [name for name, id in fields if id <= until]
        for at in range(0, len(due), PAGE):
            await self._functions.run("hornet_forget", until, *due[at : at + PAGE])

    async def _time(self) -> tuple[int, int]:
        if isinstance(self._client, RedisCluster):
            node = self._client.get_node_from_key(HISTORY)
            answer: tuple[int, int] = await call(self._client.time, target_nodes=node)
        else:
            answer = await call(self._client.time)
        return answer

    async def _fields(self) -> list[tuple[bytes, int]]:
        """Return all fields of topics, each with its id."""
        fields: dict[bytes, int] = {}
        cursor = 0
        while True:
            cursor, page = await call(self._client.hscan, HISTORY, cursor, count=PAGE)
            fields.update((name, int(value)) for name, value in page.items() if name[:2] in (b"c:", b"p:"))
            if not cursor:
                return list(fields.items())
