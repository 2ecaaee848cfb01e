"""Positions in what was published, as Redis counts it and as one node heard it.

Redis has one clock for all recorded publishes: each gets an ``id``, the microseconds since 1970 or the last
id plus one, whichever is more. So ids order the messages of all channels, and one id cuts all channels of a
session at once: what has a greater id came later. An ``epoch`` is a word that names one life of these data;
ids of two epochs can't be compared.

A node also numbers what it hears, recorded or not, since a plain ``PUBLISH`` has no id. An :class:`Offset`
has both: the position in Redis, and a number on one node. Clients keep it as a text that they don't read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

PUBLISHED_BEFORE = b'{"hornet:position":"'
"""How the payload of a recorded publish begins. The field is the first, so that no parser is needed."""

WRAPPED = b'"hornet:payload":'
"""Follows the position where the backend published JSON that is no object, and so has room for no field."""

_STAMP = re.compile(rb'\{"hornet:position":"([0-9a-z]{1,32})-([0-9]{1,16})-([0-9]{1,16})"(?:,|(?=\}$))')
_POSITION = re.compile(r"([0-9a-z]{1,32})-([0-9]{1,16})(?:-[0-9a-z]{1,32}-[0-9]{1,16})?")
_OFFSET = re.compile(r"([0-9a-z]{1,32})-([0-9]{1,16})-([0-9a-z]{1,32})-([0-9]{1,16})")

POSITION, OTHER_POSITION = "position", "hornet:position"
"""The field of the position in messages for clients; the other name where the backend uses the first."""

NO_EPOCH = "0"
"""Stands for the epoch in the offsets of a node that does not know it: Redis records nothing, or is away."""


class StreamPosition(NamedTuple):
    """The place of one recorded publish; everything up to it has an ``id`` of at most this."""

    epoch: str
    id: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.id}"

    def covers(self, other: StreamPosition) -> bool:
        """Return whether ``other`` is a place up to this one: not in another epoch, and not in the future."""
        return other.epoch == self.epoch and other.id <= self.id


class Stamp(NamedTuple):
    """What Redis wrote into a recorded publish. ``previous`` is the id before it on its topic."""

    epoch: str
    id: int
    previous: int


class Offset(NamedTuple):
    """Everything up to ``id`` in Redis, and up to ``number`` of what ``node`` heard."""

    epoch: str
    id: int
    node: str
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.id}-{self.node}-{self.number}"

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self.epoch, self.id)


def parse_position(text: object) -> StreamPosition:
    """Parse a position, or the position in an offset.

    Raises:
        ValueError: it is neither.
    """
    match = _POSITION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("a position is a text as Hornet gave it, for example 'a1b2c3-1700000000000000'")
    return StreamPosition(match[1], int(match[2]))


def parse_offset(text: object) -> Offset:
    """Parse an offset as a client gives it back.

    Raises:
        ValueError: it is none.
    """
    match = _OFFSET.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("an offset is a text as Hornet gave it")
    return Offset(match[1], int(match[2]), match[3], int(match[4]))


def with_position(body: Mapping[str, object], position: str) -> dict[str, object]:
    """Return a message with its position as the last field; a field ``position`` of the backend's stays."""
    return {**body, OTHER_POSITION if POSITION in body else POSITION: position}


def is_whole_after(since: int, *, floor: int, last: int | None, previous: int | None) -> bool:
    """Return whether all is kept that was recorded on a topic after the id ``since``.

    ``last`` is the newest id of the topic, or None where it is not known; then nothing was recorded there
    after ``floor``. ``previous`` is the id before the oldest message that is kept, or None if there is none.
    """
    if last is None:
        return since >= floor
    return last <= since or (previous is not None and previous <= since)


def split_stamp(payload: bytes) -> tuple[Stamp | None, bytes]:
    """Take the stamp out of a publish, and return it with the JSON that the backend published.

    A plain publish has no stamp. A stamp that Redis did not write is left where it is.
    """
    if not payload.startswith(PUBLISHED_BEFORE):
        return None, payload
    match = _STAMP.match(payload)
    if match is None:
        return None, payload
    stamp = Stamp(match[1].decode(), int(match[2]), int(match[3]))
    end = match.end()
    if payload.startswith(WRAPPED, end):
        return stamp, payload[end + len(WRAPPED) : -1]
    return stamp, b"{" + payload[end:]
