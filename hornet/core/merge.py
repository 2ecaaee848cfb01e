"""One order for what was read from the history and what nodes heard.

Recorded messages have ids, in the order of their publishing over all topics. Plain messages have none: a
node only knows after which recorded one it heard each of them. The history has recorded messages alone, and
has them for certain. What was heard has both kinds. The two overlap, and what overlaps counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from hornet.core.message_ring import RingEntry

_Key = tuple[str, str, int]


class Mergeable(Protocol):
    """A message with its place in the order; see :class:`~hornet.core.message_ring.RingEntry`."""

    @property
    def source(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def cut(self) -> int: ...


M = TypeVar("M", bound=Mergeable)


def recorded_entry(source: str, topic: str, payload: bytes, id: int) -> RingEntry:
    """Return a message of the history in the form of one that was heard."""
    return RingEntry(0, topic, payload, id, id, source)


def merge(recorded: Iterable[M], received: Iterable[M], *, until: int | None = None) -> list[M]:
    """Return all messages in the order of their publishing, each once for each of its sources.

    ``received`` is in the order in which it was heard: by one node, or by one node and from there on by
    another. ``recorded`` may be in any order. Of it only ids up to ``until`` count: the greatest id that the
    last of these nodes has heard. It will hear what follows by itself.

    Recorded messages are ordered by their id. A plain message comes after the recorded ones that were heard
    before it, and after those of its own topic that were not heard: they were published before the node
    subscribed to the topic. It comes before all others with a greater id.
    """
    received = list(received)
    known = {_key(entry) for entry in received if entry.id}
    missed: dict[_Key, M] = {}
    last_missed: dict[tuple[str, str], int] = {}
    for entry in recorded:
        key = _key(entry)
        if key not in known and (until is None or entry.id <= until):
            missed[key] = entry
            last_missed[key[:2]] = max(last_missed.get(key[:2], 0), entry.id)
    ordered = [(id, 0, entry) for (_, _, id), entry in missed.items()]
    cut = 0
    for place, entry in enumerate(received, 1):
        if entry.id:
            cut = max(cut, entry.id)
            if _key(entry) in known:
                known.discard(_key(entry))
                ordered.append((entry.id, 0, entry))
        else:
            cut = max(cut, entry.cut, last_missed.get((entry.source, entry.topic), 0))
            ordered.append((cut, place, entry))
    ordered.sort(key=lambda item: item[:2])
    return [entry for _, _, entry in ordered]


def _key(entry: Mergeable) -> _Key:
    return entry.source, entry.topic, entry.id
