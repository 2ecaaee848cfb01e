"""What callers of the history give and get."""

from __future__ import annotations

from dataclasses import dataclass

from hornet.core.history import NO_EPOCH, StreamPosition

NO_POSITION = StreamPosition(NO_EPOCH, 0)
"""Stands for the position of a Redis that records nothing."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A topic and the text that is published on it."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many nodes received a publish, and its position, or None where it was not recorded."""

    position: StreamPosition | None
    nodes: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Messages of one topic. ``is_whole`` says that none between ``since`` and now has been lost.

    ``position`` is up to where Redis had recorded then. ``has_more`` says that the limit left some out.
    """

    position: StreamPosition
    messages: list[RecordedMessage]
    is_whole: bool
    has_more: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """Asks for what was recorded on ``topic`` after ``since``: the newest of it, ``max_bytes`` at most."""

    topic: str
    since: StreamPosition
    max_bytes: int


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message as the backend published it; ``previous`` is the id before it on its topic."""

    id: int
    json: bytes
    previous: int


NOTE_EVERY_US = 10_000_000
"""Nodes note plain publishes in Redis at most so often, in µs: one may lie that much after its note."""


@dataclass(slots=True)
class TopicHistory:
    """What was recorded on a topic after some position, the oldest first.

    ``is_whole`` says that no recorded message between that position and ``last`` is missing. Plain publishes
    are not recorded: ``plain_at`` is when a node last noted that it heard one, in µs since 1970, or 0. The
    last one may lie ``NOTE_EVERY_US`` after it.
    """

    entries: list[RecordedMessage]
    is_whole: bool
    last: int
    is_recorded: bool
    plain_at: int = 0

    @property
    def heard_plain(self) -> bool:
        return self.plain_at > 0

    def has_all_after(self, id: int) -> bool:
        """Return whether it is certain that nothing is missing after ``id``, plain publishes included.

        A topic on which nothing was ever recorded may have had plain publishes alone.
        """
        return self.is_recorded and self.plain_at + NOTE_EVERY_US < id


@dataclass(slots=True)
class HistoryAnswer:
    """The answers to some requests, in their order. Everything recorded up to ``position`` is in them."""

    position: StreamPosition
    topics: list[TopicHistory]
