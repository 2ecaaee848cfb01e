"""Sessions in a row, as the fan-out writes to them: those of one kind side by side, with their sockets.

A row is made once for a room and kept while its members stay the same, however many messages they get. It
may be out of date about a session: the ticket of one that has changed since is worthless.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator

from hornet.engine.transport.session import EngineSession


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
        """Where each kind ends, in their order."""
        self.sockets = array("i", [session.socket for session in self.sessions])
        self.leases = array("Q", [session.lease for session in self.sessions])
        self.is_stale = False
        """Whether some of it was found to be out of date, so that a new one is worth its price."""

    def __len__(self) -> int:
        return len(self.sessions)

    def formats(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """From ``start`` to ``stop``, each kind with where its sessions begin and end."""
        for wire_format, end in self._ends.items():
            if start < end:
                yield wire_format, start, min(end, stop)
                start = end
            if start >= stop:
                return
