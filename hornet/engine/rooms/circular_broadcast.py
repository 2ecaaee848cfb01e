"""A broadcast whose messages visit the recipients in a circle.

A message that joins while others are under way starts at the recipient whose turn it is, and is done one lap
later:

    recipients   0 ........ 400 ........ 999 | 0 ........ 399 |
    message A    ─────────────────────────────
    message B                ────────────────────────────────

So a message takes one lap at most, and the next recipient gets all there is in one write. If messages waited
for the end of the lap that is under way, some would take two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hornet.engine.rooms.recipients import Recipients
from hornet.engine.rooms.rooms import Room
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import FrameBatch, Prepared


class CircularBroadcast:
    """Messages under way to the members that a room has now, or to given sessions.

    There is at least one message and one recipient. The broadcast is *open* while it has a ``room``: messages
    for that room may join until the room changes, or until another message has to come after those under
    way.
    """

    __slots__ = ("_index", "_messages", "_next_batch", "_visits", "recipients", "room")

    def __init__(self, room: Room | None, recipients: Recipients, messages: Sequence[Prepared]) -> None:
        self.room = room
        self.recipients = recipients
        self._visits = 0
        """How many recipients have been written to, over all laps."""
        self._messages = deque((0, message) for message in messages)
        """The messages in the order of the calls, each with the number of visits at which it joined."""
        self._index: dict[EngineSession, int] | None = None
        self._next_batch: FrameBatch | None = None

    def add(self, message: Prepared) -> None:
        """Let a message join; the broadcast must be open."""
        self._messages.append((self._visits, message))
        self._next_batch = None

    def close(self) -> None:
        """Let no further message join."""
        self.room = None

    def may_reach(self, session: EngineSession) -> bool:
        """Return whether messages that may still join would go to this session."""
        return self.room is not None and self.room.has(session)

    def unsent(self, session: EngineSession) -> list[Prepared]:
        """Return the messages that are still on their way to this session."""
        if self._index is None:
            self._index = {recipient: index for index, recipient in enumerate(self.recipients.sessions)}
        index = self._index.get(session)
        if index is None:
            return []
        size = len(self.recipients)
        return [
            message for joined, message in self._messages if joined + (index - joined) % size >= self._visits
        ]

    def take(self, limit: int) -> tuple[int, int, FrameBatch]:
        """Return where the next recipients begin and end, at most ``limit``, and the batch for each of them.

        The caller must write to them. As in a slice, the recipient at the end is not included.
        """
        size = len(self.recipients)
        start = self._visits % size
        stop = min(start + limit, size, start + self._messages[0][0] + size - self._visits)
        if self._next_batch is None:
            self._next_batch = FrameBatch([message for _, message in self._messages])
        batch = self._next_batch
        self._visits += stop - start
        while self._messages and self._messages[0][0] + size <= self._visits:
            self._messages.popleft()
            self._next_batch = None
        return start, stop, batch

    @property
    def is_over(self) -> bool:
        """Whether every message has been to every recipient."""
        return not self._messages
