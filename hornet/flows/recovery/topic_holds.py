"""Topics that a node goes on to hear for a while after its last session left them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hornet.broker.subscriber import Subscriber

SWEEP_S = 1.0
"""How much longer than asked for a topic may be held."""


class TopicHolds:
    """Holds topics for clients that may come back, so that the ring has what they miss meanwhile."""

    def __init__(self, subscriber: Subscriber, window_s: float) -> None:
        self._subscriber = subscriber
        self._window_s = window_s
        self._until: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._until)

    def hold(self, topics: Iterable[str]) -> None:
        """Hold topics to which this node is subscribed now for the recovery window from now on."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._window_s
        for topic in topics:
            if topic in self._until:
                del self._until[topic]  # the order is that of the ends
            else:
                self._subscriber.subscribe(topic)
            self._until[topic] = until
        if self._until and self._timer is None:
            self._timer = loop.call_later(self._window_s, self._sweep)

    def close(self) -> None:
        """Hold nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for topic in self._until:
            self._subscriber.unsubscribe(topic)
        self._until.clear()

    def _sweep(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for topic, until in list(self._until.items()):
            if until > now:
                self._timer = loop.call_later(max(until - now, SWEEP_S), self._sweep)
                return
            del self._until[topic]
            self._subscriber.unsubscribe(topic)
