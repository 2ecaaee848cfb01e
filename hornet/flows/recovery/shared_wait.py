"""One wait for many callers that come at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class SharedWait:
    """Calls ``work`` once for all that ask before it begins, and one after the other."""

    def __init__(self, work: Callable[[], Awaitable[int]]) -> None:
        self._work = work
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def __call__(self) -> int:
        """Return the result of a call of ``work`` that began after this one; raise what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running), name="hornet-shared-wait")
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait({before})
        self._running, self._next = self._next, None
        return await self._work()
