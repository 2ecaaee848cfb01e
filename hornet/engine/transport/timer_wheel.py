"""One timer for all sessions.

A timer of the event loop for each session would cost a heap entry and a handle each. At 10,000 sessions with
a heartbeat each, most of those timers would be set again before they fire. Here a session is scheduled in the
bucket of the tick in which it is due, and only the next non-empty tick has a timer in the loop. To move a
session to another tick takes two dictionary operations.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from math import ceil
from typing import Protocol


class Scheduled(Protocol):
    """An object that can be scheduled; ``scheduled_tick`` belongs to the wheel and starts as 0."""

    scheduled_tick: int

    def on_timeout(self, now: float) -> None:
        """Act on the due time; called once, at most one tick after the scheduled time, never before it."""
        ...


class TimerWheel:
    """Calls ``on_timeout`` of each scheduled object in its time, give or take ``tick_s``."""

    def __init__(self, tick_s: float) -> None:
        self.tick_s = tick_s
        self._buckets: dict[int, dict[Scheduled, None]] = {}
        self._ticks: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._set_for = 0

    def schedule(self, timed: Scheduled, due: float) -> None:
        """Call ``timed.on_timeout`` at ``due`` (the loop's time) instead of the time scheduled before."""
        tick = ceil(due / self.tick_s)
        if tick == timed.scheduled_tick:
            return
        self.cancel(timed)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            heappush(self._ticks, tick)
            if self._timer is None or tick < self._set_for:
                self._set_timer()
        bucket[timed] = None
        timed.scheduled_tick = tick

    def cancel(self, timed: Scheduled) -> None:
        """Do not call ``timed.on_timeout`` any more."""
        if timed.scheduled_tick:
            bucket = self._buckets.get(timed.scheduled_tick)
            if bucket is not None:
                bucket.pop(timed, None)
            timed.scheduled_tick = 0

    def stop(self) -> None:
        """Cancel all that is scheduled."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._buckets.clear()
        self._ticks.clear()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ticks:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._set_for = self._ticks[0]
            self._timer = self._loop.call_at(self._set_for * self.tick_s, self._turn)

    def _turn(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        self._timer = None
        try:
            while self._ticks and self._ticks[0] * self.tick_s <= now:
                bucket = self._buckets[self._ticks[0]]
                while bucket:
                    timed, _ = bucket.popitem()
                    timed.scheduled_tick = 0
                    timed.on_timeout(now)
                del self._buckets[heappop(self._ticks)]
        finally:
            self._set_timer()
