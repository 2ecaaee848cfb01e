"""The deadline of tests that wait, and the way to wait for a change that no event announces."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

DEADLINE_S = 30.0
"""A test fails when what must come has not come after this time.

A machine that is busy with other work may take this long, so no test has a shorter deadline, unless the time
is what it tests. Sessions end by the default heartbeat after 45 s: a deadline above that would take a session
that only the heartbeat ended for a session that was ended.
"""

INTERVAL_S = 0.01

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], wanted: T, deadline_s: float = DEADLINE_S) -> None:
    """Ask again and again, and return once ``ask`` answers ``wanted``.

    Raises:
        AssertionError: the deadline passed. The text holds the last answer.
    """
    answer = await ask()
    until = asyncio.get_running_loop().time() + deadline_s
    while answer != wanted:
        assert asyncio.get_running_loop().time() < until, (
            f"still {answer!r} after {deadline_s} s, not {wanted!r}"
        )
        await asyncio.sleep(INTERVAL_S)
        answer = await ask()
