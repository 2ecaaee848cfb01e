"""What one node heard of late, in order: the messages that it can give again to clients that missed them.

The node numbers what it hears, and what changes its sources. A *source* is a topic that the node subscribed
to by name, or a glob. A publish that reaches the node over its name and two globs is heard three times, once
from each source, and has an entry for each.

The ring is bounded in bytes and in age. It must never pass off a part for the whole, so each source has a
floor, a number: after it, nothing that the source heard is missing from the ring. The floor rises

- to the number of an entry that is trimmed;
- to the last number, when messages of the source may have been missed (:meth:`MessageRing.break_at`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

ENTRY_BYTES = 300
"""What an entry takes beside its payload: the tuples, and their places in two queues."""


class RingEntry(NamedTuple):
    """One message that a node heard."""

    number: int
    """What the node heard has growing numbers; 0 for what it read from the history."""
    topic: str
    payload: bytes
    """The JSON that the backend published."""
    id: int
    """Of a recorded publish; 0 for a plain one."""
    cut: int
    """The greatest id that the node had heard with and before this message."""
    source: str
    """The topic, or the glob that matched it."""


class _SourceEntries:
    """The entries of one source, oldest first."""

    __slots__ = ("entries", "floor")

    def __init__(self, floor: int) -> None:
        self.entries: deque[RingEntry] = deque()
        self.floor = floor


class MessageRing:
    """Keeps what the node heard from the sources that it holds. Times are in seconds, of any one clock."""

    def __init__(self, *, max_bytes: int, max_age_s: float) -> None:
        self.number = 0
        """Of what happened last."""
        self.bytes = 0
        """What the entries take, roughly."""
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._sources: dict[str, _SourceEntries] = {}
        self._ages: deque[tuple[float, _SourceEntries]] = deque()
        """For each entry, oldest first: when it came, and where it is the oldest. Released sources are
        among them, with fewer entries than places here."""

    def __contains__(self, source: str) -> bool:
        return source in self._sources

    def sources(self) -> list[str]:
        """Return the sources that are held."""
        return list(self._sources)

    def hold(self, source: str) -> None:
        """Keep what is heard from ``source`` from now on; for a source that is held, change nothing.

        That takes a number, because the source may have been held before, up to the same number.
        """
        if source not in self._sources:
            self.number += 1
            self._sources[source] = _SourceEntries(self.number)

    def release(self, source: str) -> None:
        """Forget a source and its entries: the node hears it no more."""
        forgotten = self._sources.pop(source, None)
        if forgotten is not None:
            self.bytes -= sum(map(_size_of, forgotten.entries))
            forgotten.entries.clear()

    def add(self, source: str, topic: str, payload: bytes, id: int, cut: int, now: float) -> int:
        """Keep one message, and return its number. A source that was not held is held from then on."""
        held = self._sources.get(source)
        if held is None:
            self.hold(source)
            held = self._sources[source]
        self.number = number = self.number + 1
        held.entries.append(RingEntry(number, topic, payload, id, cut, source))
        self._ages.append((now, held))
        self.bytes += len(payload) + ENTRY_BYTES
        if self.bytes > self._max_bytes:
            self.trim(now)
        return number

    def since(self, source: str, number: int) -> list[RingEntry] | None:
        """Return what was heard from ``source`` after ``number``; None where some of it may be missing."""
        held = self._sources.get(source)
        if held is None or number < held.floor or number > self.number:
            return None
        later: list[RingEntry] = []
        for entry in reversed(held.entries):
            if entry.number <= number:
                break
            later.append(entry)
        later.reverse()
        return later

    def floor(self, source: str) -> int | None:
        """Return the least number that :meth:`since` has an answer for; None if the source is not held."""
        held = self._sources.get(source)
        return None if held is None else held.floor

    def break_at(self, sources: Iterable[str]) -> None:
        """Note that messages of ``sources`` may have been missed until now. That takes a number."""
        self.number += 1
        for source in sources:
            held = self._sources.get(source)
            if held is not None:
                held.floor = self.number

    def trim(self, now: float) -> None:
        """Drop entries that are older than ``max_age_s``, and the oldest while there are too many bytes."""
        ages, until = self._ages, now - self._max_age_s
        while ages and (ages[0][0] < until or self.bytes > self._max_bytes):
            held = ages.popleft()[1]
            if held.entries:
                entry = held.entries.popleft()
                held.floor = max(held.floor, entry.number)
                self.bytes -= _size_of(entry)


def _size_of(entry: RingEntry) -> int:
    return len(entry.payload) + ENTRY_BYTES
