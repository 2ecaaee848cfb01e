"""Who is in which room, looked up both ways: a departure costs as much as its own rooms, not all rooms."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from hornet.engine.rooms.recipients import Recipients
from hornet.engine.transport.session import EngineSession

if TYPE_CHECKING:
    from hornet.engine.rooms.broadcast import PendingBatch
    from hornet.engine.rooms.circular import CircularBroadcast


class Room:
    """The members of one room, by their id."""

    __slots__ = ("_lineup", "members", "round", "run")

    def __init__(self) -> None:
        self.members: dict[str, EngineSession] = {}
        self.run: PendingBatch | None = None
        """The fan-out that still has to look at the members; it must be told before they change."""
        self.round: CircularBroadcast | None = None
        """The fan-out under way that further messages for these members may join."""
        self._lineup: Recipients | None = None

    def line_up(self) -> Recipients:
        """The members in a row, which is kept for the next message."""
        if self._lineup is None or self._lineup.is_stale:
            self._lineup = Recipients(self.members.values())
        return self._lineup

    def has(self, session: EngineSession) -> bool:
        """Whether the session is a member."""
        return any(self.members.get(sid) is session for sid in session.sids())

    def freeze(self) -> None:
        """Let the fan-out that waits, or is under way, keep the members of this moment: they will change."""
        self._lineup = None
        if self.run is not None:
            self.run.freeze()
        if self.round is not None:
            self.round.freeze()


_NOBODY = Room()


class RoomTable:
    """The sessions and rooms of one namespace."""

    def __init__(self) -> None:
        self.everyone = Room()
        self._rooms: dict[str, Room] = {}
        self._entered: dict[str, set[str]] = {}

    def __len__(self) -> int:
        """How many rooms have a member."""
        return len(self._rooms)

    def __contains__(self, sid: str) -> bool:
        return sid in self.everyone.members

    def get(self, sid: str) -> EngineSession | None:
        """The session with this id."""
        return self.everyone.members.get(sid)

    def add(self, sid: str, session: EngineSession) -> None:
        """A session joined the namespace."""
        self.everyone.freeze()
        self.everyone.members[sid] = session

    def remove(self, sid: str) -> None:
        """A session left the namespace, and with it all its rooms."""
        for room in self._entered.pop(sid, ()):
            self._take_out(sid, room)
        self.everyone.freeze()
        self.everyone.members.pop(sid, None)

    def enter(self, sid: str, name: str) -> bool:
        """Put a session into a room; True when it is the first member. An unknown session stays out."""
        session = self.everyone.members.get(sid)
        if session is None:
            return False
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room()
        elif sid in room.members:
            return False
        room.freeze()
        room.members[sid] = session
        entered = self._entered.get(sid)
        if entered is None:
            self._entered[sid] = {name}
        else:
            entered.add(name)
        return len(room.members) == 1

    def leave(self, sid: str, name: str) -> bool:
        """Take a session out of a room; True when the room is empty afterwards."""
        entered = self._entered.get(sid)
        if entered is not None and name in entered:
            entered.discard(name)
            if not entered:
                del self._entered[sid]
            self._take_out(sid, name)
        return name not in self._rooms

    def _take_out(self, sid: str, name: str) -> None:
        room = self._rooms[name]
        room.freeze()
        del room.members[sid]
        if not room.members:
            del self._rooms[name]

    def room(self, name: str) -> Room:
        """The room; an empty one when nobody is in it. A session's id is a room with that session in it."""
        room = self._rooms.get(name)
        if room is not None:
            return room
        session = self.everyone.members.get(name)
        if session is None:
            return _NOBODY
        alone = Room()
        alone.members[name] = session
        return alone

    def members(self, name: str) -> Collection[str]:
        """The ids of those in a room."""
        room = self._rooms.get(name)
        return room.members.keys() if room is not None else ()

    def rooms_of(self, sid: str) -> Collection[str]:
        """The rooms that a session has entered."""
        return self._entered.get(sid, ())

    def names(self) -> Iterable[str]:
        """The rooms with anybody in them."""
        return self._rooms.keys()
