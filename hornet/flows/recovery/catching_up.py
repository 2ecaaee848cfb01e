"""Waiting until this node has delivered what Redis had published. Callers that wait at once share a mark."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hornet.core.errors import RedisUnavailable

WAIT_S = 10.0
"""How long a mark may take. It waits for repairs, and for what is on its way to this node."""


class CatchingUp:
    """Shares marks among callers. ``catch_up`` waits for one; see :meth:`Marks.catch_up`."""

    def __init__(self, catch_up: Callable[[], Awaitable[int]]) -> None:
        self._catch_up = catch_up
        self._next: asyncio.Future[int] | None = None
        self._task: asyncio.Task[None] | None = None

    async def wait(self) -> int:
        """Return when everything that was published before this call has been delivered on this node.

        The result is the last id that Redis had recorded by then.

        Raises:
            RedisUnavailable: that is not known, since no mark came.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        caught_up = self._next
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hornet-catching-up")
        return await asyncio.shield(caught_up)

    async def close(self) -> None:
        """Let go of all that wait: the node stops."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        caught_up: asyncio.Future[int] | None = None
        try:
            while self._next is not None:
                caught_up, self._next = self._next, None
                try:
                    async with asyncio.timeout(WAIT_S):
                        caught_up.set_result(await self._catch_up())
                except (RedisUnavailable, TimeoutError):
                    _fail(caught_up)
        finally:
            self._task = None
            for left in (caught_up, self._next):
                if left is not None and not left.done():
                    _fail(left)
            self._next = None


def _fail(caught_up: asyncio.Future[int]) -> None:
    caught_up.set_exception(RedisUnavailable("no mark came back"))
    caught_up.exception()  # those who waited may be gone
