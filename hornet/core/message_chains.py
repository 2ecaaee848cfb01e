"""What was heard last on each topic, so that a node knows whether it missed or already has a message.

Each recorded publish names the one before it on its topic. So the publishes of a topic are a chain. Each
source of a node (see :mod:`hornet.core.message_ring`) hears its own copies, and has its own chains.
"""

from __future__ import annotations

from enum import Enum, auto
from itertools import islice

from hornet.core.history import Stamp

MAX_TOPICS = 10_000
"""Chains of one source. Only a glob has more than one; those that came first are forgotten beyond that."""

QUIET_US = 3_600_000_000
"""A topic that was quiet for so long is checked no more: Redis may have forgotten its last message, and then
names a later one of all topics in its place."""


class Link(Enum):
    """How a recorded publish follows what was heard before."""

    NEXT = auto()
    """As it should, as far as is known."""
    DOUBLE = auto()
    """It was heard, or was read from the history."""
    GAP = auto()
    """Something before it was missed."""


class MessageChains:
    """The ids that were heard last, by source and topic. All are of one epoch."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, int]] = {}

    def link(self, source: str, topic: str, stamp: Stamp) -> Link:
        """Return how a publish follows, and change nothing."""
        topics = self._last.get(source)
        last = None if topics is None else topics.get(topic)
        if last is None:
            return Link.NEXT
        _, id, previous = stamp
        if id <= last:
            return Link.DOUBLE
        if previous > last and previous - last < QUIET_US:
            return Link.GAP
        return Link.NEXT

    def hear(self, source: str, topic: str, id: int) -> None:
        """Note that ``id`` was heard last."""
        topics = self._last.get(source)
        if topics is None:
            topics = self._last[source] = {}
        topics[topic] = id
        if len(topics) > MAX_TOPICS:
            for oldest in list(islice(topics, MAX_TOPICS // 2)):
                del topics[oldest]

    def last(self, source: str, topic: str) -> int | None:
        """Return the id that was heard last, if one was."""
        return self._last.get(source, {}).get(topic)

    def forget(self, source: str) -> None:
        """Forget a source that the node hears no more. When it comes back, nothing was missed before."""
        self._last.pop(source, None)

    def forget_topic(self, source: str, topic: str) -> None:
        """Forget one topic of a source: the next message on it follows, also where some are missing."""
        self._last.get(source, {}).pop(topic, None)

    def has(self, source: str) -> bool:
        """Return whether a recorded publish was heard from ``source``."""
        return bool(self._last.get(source))

    def clear(self) -> None:
        """Forget all: another epoch began, whose ids can't be compared."""
        self._last.clear()
