"""Work that many sessions ask for at the same moment, spread over several turns of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque


class TurnLimiter:
    """Lets ``per_turn`` callers go on in one turn of the event loop, in the order in which they came.

    When a thousand clients ask for something costly at once, all of it would be done in one turn, and every
    other client would wait for its end.
    """

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return when it is the caller's turn: at once, unless many others came before."""
        if self._left == self._per_turn:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        if self._left:
            self._left -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _begin_turn(self) -> None:
        self._left = self._per_turn
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():  # its caller was cancelled
                turn.set_result(None)
                self._left -= 1
        if self._left < self._per_turn:
            asyncio.get_running_loop().call_soon(self._begin_turn)
