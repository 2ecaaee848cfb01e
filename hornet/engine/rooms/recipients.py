"""Sessions in the order in which the fan-out writes to them, with their sockets and write leases.

Sessions of the same wire format stand side by side. A room makes its recipients once, and keeps them while
its members stay the same, however many messages they get. They may be out of date about a session: when a
session has changed its format or its socket since, its lease here is no longer valid.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator

from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import WireFormat


class Recipients:
    """The recipients of a fan-out, in the order in which they are written to."""

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
