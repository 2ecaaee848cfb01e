"""The timer: never early, at most a tick late, and no timer in the loop for what was cancelled or moved."""

import asyncio

from hornet.engine.transport.timer_wheel import TimerWheel
from tests.engine.caller import WAIT_S


class Scheduled:
    """Waits to be due, and keeps when it was."""

    def __init__(self, wheel: TimerWheel, again: int = 0) -> None:
        self.scheduled_tick = 0
        self.wheel, self.again = wheel, again
        self.due: list[float] = []
        self.done = asyncio.Event()

    def on_timeout(self, now: float) -> None:
        self.due.append(now)
        if len(self.due) <= self.again:
            self.wheel.schedule(self, now + 0.01)
        else:
            self.done.set()


async def test_a_scheduled_object_is_called_once_and_never_early() -> None:
    loop, wheel = asyncio.get_running_loop(), TimerWheel(0.01)
    scheduled_tick = [(loop.time() + delay / 1000, Scheduled(wheel)) for delay in (55, 5, 30, 30, 7)]
    for due, timed in scheduled_tick:
        wheel.schedule(timed, due)
    async with asyncio.timeout(WAIT_S):
        for _, timed in scheduled_tick:
            await timed.done.wait()
    assert all(len(timed.due) == 1 and timed.due[0] >= due for due, timed in scheduled_tick)


async def test_a_scheduled_time_moves_both_ways_and_may_be_cancelled() -> None:
    loop, wheel = asyncio.get_running_loop(), TimerWheel(0.01)
    earlier, later, never = Scheduled(wheel), Scheduled(wheel), Scheduled(wheel)
    start = loop.time()
    wheel.schedule(earlier, start + 10 * WAIT_S)
    for timed in (later, never):
        wheel.schedule(timed, start + 0.05)
    wheel.schedule(earlier, start + 0.01)
    wheel.schedule(later, start + 0.1)
    wheel.cancel(never)
    async with asyncio.timeout(WAIT_S):
        await later.done.wait()
    assert earlier.due[0] >= start + 0.01
    assert later.due[0] >= start + 0.1
    assert never.due == []


async def test_a_scheduled_object_may_schedule_itself_again() -> None:
    wheel = TimerWheel(0.01)
    timed = Scheduled(wheel, again=3)
    wheel.schedule(timed, asyncio.get_running_loop().time())
    async with asyncio.timeout(WAIT_S):
        await timed.done.wait()
    assert len(timed.due) == 4
