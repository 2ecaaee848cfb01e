"""One fan-out on its way round its recipients.

Messages for the same recipients that come meanwhile get on where the round is, and off where they got on,
one lap later:

    recipients   0 ........ 400 ........ 999 | 0 ........ 399 |
    message A    ─────────────────────────────
    message B                ────────────────────────────────

So a message waits for one lap at most, and whoever is next gets all there is in one write. Were they to wait
for the end of the lap, some would wait for two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hornet.engine.rooms.recipients import Recipients
from hornet.engine.rooms.rooms import Room
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import FrameBatch, Prepared


class CircularBroadcast:
    """Messages for the members that a room has now, or for given sessions; there is at least one of each.

    It is *open* while further messages may get on: until the room changes, or something else has to come
    after what is on its way.
    """

    __slots__ = ("_at", "_index", "_messages", "_plan", "recipients", "room")

    def __init__(self, room: Room | None, recipients: Recipients, messages: Sequence[Prepared]) -> None:
        self.room = room
        if room is not None:
            room.round = self
        self.recipients = recipients
        self._index: dict[EngineSession, int] | None = None
        self._at = 0
        """How many have been written to, over all laps."""
        self._messages = deque((0, message) for message in messages)
        """With where each got on, in the order of the calls."""
        self._plan: FrameBatch | None = None

    def add(self, message: Prepared) -> None:
        """Let one more message get on; the round must be open."""
        self._messages.append((self._at, message))
        self._plan = None

    def freeze(self) -> None:
        """Close the round: the room changes, or what comes next must not overtake something else."""
        if self.room is not None:
            self.room.round = None
            self.room = None

    def may_concern(self, session: EngineSession) -> bool:
        """Whether messages that get on would go to this session."""
        return self.room is not None and self.room.has(session)

    def owes(self, session: EngineSession) -> list[Prepared]:
        """What is on its way to this session."""
        if self._index is None:
            self._index = {recipient: index for index, recipient in enumerate(self.recipients.sessions)}
        index = self._index.get(session)
        if index is None:
            return []
        size = len(self.recipients)
        return [message for start, message in self._messages if start + (index - start) % size >= self._at]

    def take(self, limit: int) -> tuple[int, int, FrameBatch]:
        """Where the next recipients begin and end, at most ``limit``, and what each of them gets."""
        size = len(self.recipients)
        index = self._at % size
        end = min(index + limit, size, index + self._messages[0][0] + size - self._at)
        if self._plan is None:
            self._plan = FrameBatch([message for _, message in self._messages])
        taken = index, end, self._plan
        self._at += end - index
        while self._messages and self._messages[0][0] + size <= self._at:
            self._messages.popleft()
            self._plan = None
        return taken

    @property
    def is_over(self) -> bool:
        """Whether every message has been to every recipient."""
        return not self._messages
