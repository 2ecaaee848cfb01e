"""For what tells nobody when it happens: ask again until it is so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

DEADLINE_S = 10.0
INTERVAL_S = 0.01

T = TypeVar("T")


async def eventually(ask: Callable[[], Awaitable[T]], wanted: T, deadline_s: float = DEADLINE_S) -> None:
    """Return once ``ask`` answers ``wanted``.

    Raises: AssertionError with the last answer when it does not in time.
    """
    answer = await ask()
    until = asyncio.get_running_loop().time() + deadline_s
    while answer != wanted:
        assert asyncio.get_running_loop().time() < until, (
            f"still {answer!r} after {deadline_s} s, not {wanted!r}"
        )
        await asyncio.sleep(INTERVAL_S)
        answer = await ask()
