"""How long whoever wants a topic waits for a Redis that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from hornet.broker.subscribing import Subscription
from hornet.core.errors import RedisUnavailable

PATIENCE_S = 5.0
"""A restart, or a failover by Sentinel, is over by then."""


class Patience:
    """Fails the holds that wait, ``PATIENCE_S`` after it began; and those that come, until it has an end."""

    def __init__(self, holds: Callable[[], Iterable[Subscription]]) -> None:
        self._holds = holds
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def begin(self) -> None:
        """There is no connection. Where that is known already, nothing changes."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)

    def end(self) -> None:
        """There is one, or nobody waits for one."""
        self._is_over = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def check(self, hold: Subscription) -> None:
        """Fail a hold that comes too late to wait."""
        if self._is_over:
            hold.fail(_away())

    def _give_up(self) -> None:
        self._is_over = True
        for hold in self._holds():
            if not hold.confirmed.done():
                hold.fail(_away())


def _away() -> RedisUnavailable:
    return RedisUnavailable("there is no subscription connection")
