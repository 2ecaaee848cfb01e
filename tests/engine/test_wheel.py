"""The timer: never early, at most a tick late, and no timer in the loop for what was cancelled or moved."""

import asyncio

from hornet.engine.transport.timer_wheel import Wheel
from tests.engine.caller import WAIT_S


class Timed:
    """Waits to be due, and keeps when it was."""

    def __init__(self, wheel: Wheel, again: int = 0) -> None:
        self.booked = 0
        self.wheel, self.again = wheel, again
        self.due: list[float] = []
        self.done = asyncio.Event()

    def on_due(self, now: float) -> None:
        self.due.append(now)
        if len(self.due) <= self.again:
            self.wheel.book(self, now + 0.01)
        else:
            self.done.set()


async def test_what_is_due_is_called_once_and_never_early() -> None:
    loop, wheel = asyncio.get_running_loop(), Wheel(0.01)
    booked = [(loop.time() + delay / 1000, Timed(wheel)) for delay in (55, 5, 30, 30, 7)]
    for due, timed in booked:
        wheel.book(timed, due)
    async with asyncio.timeout(WAIT_S):
        for _, timed in booked:
            await timed.done.wait()
    assert all(len(timed.due) == 1 and timed.due[0] >= due for due, timed in booked)


async def test_a_booking_moves_both_ways_and_may_be_cancelled() -> None:
    loop, wheel = asyncio.get_running_loop(), Wheel(0.01)
    earlier, later, never = Timed(wheel), Timed(wheel), Timed(wheel)
    start = loop.time()
    wheel.book(earlier, start + 10 * WAIT_S)
    for timed in (later, never):
        wheel.book(timed, start + 0.05)
    wheel.book(earlier, start + 0.01)
    wheel.book(later, start + 0.1)
    wheel.cancel(never)
    async with asyncio.timeout(WAIT_S):
        await later.done.wait()
    assert earlier.due[0] >= start + 0.01
    assert later.due[0] >= start + 0.1
    assert never.due == []


async def test_what_is_due_may_book_itself_again() -> None:
    wheel = Wheel(0.01)
    timed = Timed(wheel, again=3)
    wheel.book(timed, asyncio.get_running_loop().time())
    async with asyncio.timeout(WAIT_S):
        await timed.done.wait()
    assert len(timed.due) == 4
