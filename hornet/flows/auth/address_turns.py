"""Turns: how much of a shared resource the clients of one address use at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hornet.core.limits import counted_as


@dataclass(slots=True)
class _Queue:
    turns: asyncio.Semaphore
    users: int = 0
    """How many have a turn or wait for one."""


class AddressTurns:
    """Gives each address so many turns at once. Memory: an entry for each address that has one or waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queues: dict[str, _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn of ``address``, which lasts until the end of the block.

        An address that is not counted has as many as it asks for.
        """
        name = counted_as(address)
        if name is None:
            yield
            return
        queue = self._queues.setdefault(name, _Queue(asyncio.Semaphore(self._most)))
        queue.users += 1
        try:
            async with queue.turns:
                yield
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[name]
