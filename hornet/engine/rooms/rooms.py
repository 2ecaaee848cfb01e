"""The members of each room in the order they are written to, and the rooms of each session.

Both directions are indexed, so the departure of a session costs as much as its own rooms, however many rooms
there are in all.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator

from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import WireFormat


class Recipients:
    """Sessions in the order in which the fan-out writes to them, with their sockets and write leases.

    Sessions of the same wire format stand side by side. A room makes its recipients once, and keeps them
    while its members stay the same, however many messages they get. They may be out of date about a session:
    when a session has changed its format or its socket since, its lease here is no longer valid.
    """

    __slots__ = ("_ends", "is_stale", "leases", "sessions", "sockets")

    def __init__(self, sessions: Collection[EngineSession]) -> None:
        formats = {session.wire_format for session in sessions}
        if len(formats) > 1:
            self.sessions = sorted(sessions, key=lambda session: session.wire_format)
            ends = {session.wire_format: index for index, session in enumerate(self.sessions, 1)}
        else:
            self.sessions = list(sessions)
            ends = dict.fromkeys(formats, len(self.sessions))
        self._ends = ends
        """The index behind the last session of each wire format, in the order of the sessions."""
        self.sockets = array("i", [session.socket for session in self.sessions])
        self.leases = array("Q", [session.lease for session in self.sessions])
        self.is_stale = False
        """Whether a lease was found to be out of date, so that new recipients are worth their price."""

    def __len__(self) -> int:
        return len(self.sessions)

    def formats(self, start: int, stop: int) -> Iterator[tuple[WireFormat, int, int]]:
        """Yield each wire format between ``start`` and ``stop``, with where its sessions begin and end.

        As in a slice, the session at the end is not included.
        """
        for wire_format, end in self._ends.items():
            if start < end:
                yield wire_format, start, min(end, stop)
                start = end
            if start >= stop:
                return


class Room:
    """The members of one room, by their id in its namespace."""

    __slots__ = ("_recipients", "members", "on_change")

    def __init__(self) -> None:
        self.members: dict[str, EngineSession] = {}
        self.on_change: Callable[[Room], None] | None = None
        """Called before the members change. The fan-out sets it while it relies on the members."""
        self._recipients: Recipients | None = None

    def recipients(self) -> Recipients:
        """Return the members in the order they are written to; kept until the members change."""
        if self._recipients is None or self._recipients.is_stale:
            self._recipients = Recipients(self.members.values())
        return self._recipients

    def has(self, session: EngineSession) -> bool:
        """Return whether the session is a member, by any of its ids."""
        return any(self.members.get(sid) is session for sid in session.sids())

    def add(self, sid: str, session: EngineSession) -> None:
        """Make the session a member."""
        self._recipients = None
        if self.on_change is not None:
            self.on_change(self)
        self.members[sid] = session

    def remove(self, sid: str) -> None:
        """Take a member out; do nothing for an id that is no member."""
        self._recipients = None
        if self.on_change is not None:
            self.on_change(self)
        self.members.pop(sid, None)


class RoomTable:
    """The sessions and rooms of one namespace."""

    def __init__(self) -> None:
        self.everyone = Room()
        self._rooms: dict[str, Room] = {}
        self._names_of: dict[str, set[str]] = {}
        """The names of the rooms that a session has entered, by its id."""

    def __len__(self) -> int:
        """Return how many rooms have a member."""
        return len(self._rooms)

    def __contains__(self, sid: str) -> bool:
        return sid in self.everyone.members

    def get(self, sid: str) -> EngineSession | None:
        """Return the session with this id; None for an unknown id."""
        return self.everyone.members.get(sid)

    def add(self, sid: str, session: EngineSession) -> None:
        """Add a session that joined the namespace."""
        self.everyone.add(sid, session)

    def remove(self, sid: str) -> None:
        """Remove a session that left the namespace, and take it out of all its rooms."""
        for name in self._names_of.pop(sid, ()):
            self._remove_member(sid, name)
        self.everyone.remove(sid)

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
        room.add(sid, session)
        names = self._names_of.get(sid)
        if names is None:
            self._names_of[sid] = {name}
        else:
            names.add(name)
        return len(room.members) == 1

    def leave(self, sid: str, name: str) -> bool:
        """Take a session out of a room; True when the room is empty afterwards."""
        names = self._names_of.get(sid)
        if names is not None and name in names:
            names.discard(name)
            if not names:
                del self._names_of[sid]
            self._remove_member(sid, name)
        return name not in self._rooms

    def _remove_member(self, sid: str, name: str) -> None:
        room = self._rooms[name]
        room.remove(sid)
        if not room.members:
            del self._rooms[name]

    def count(self, prefix: str) -> int:
        """Return how many rooms with a member have names that begin with ``prefix``."""
        return sum(name.startswith(prefix) for name in self._rooms)

    def room(self, name: str) -> Room:
        """Return the room with this name, or else the room that each session is by its own id.

        An unknown name gives an empty room, which is in no table.
        """
        room = self._rooms.get(name)
        if room is None:
            room = Room()
            session = self.everyone.members.get(name)
            if session is not None:
                room.members[name] = session
        return room

    def members(self, name: str) -> Collection[str]:
        """Return the ids of a room's members: a view, which changes as they come and go."""
        room = self._rooms.get(name)
        return room.members.keys() if room is not None else ()

    def rooms_of(self, sid: str) -> Collection[str]:
        """Return the names of the rooms that a session has entered."""
        return self._names_of.get(sid, ())
