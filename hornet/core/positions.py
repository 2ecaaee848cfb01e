"""How one follower of a numbered stream of changes notices that it missed one.

The source numbers its changes: each has the next ``version`` of an ``epoch``. An epoch begins when the source
starts from nothing, with a name that no other epoch has. A follower that gets each version in turn knows what
the source knows. A follower that misses a version, or meets another epoch, must read everything at once as a
snapshot, and then go on from the snapshot's position.

Changes that arrive while a snapshot is needed wait for it: some of them are in the snapshot already, and the
others follow it.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

ChangeT = TypeVar("ChangeT")


class Position(NamedTuple):
    """A place in the stream. A source without any data has no epoch, and version 0."""

    epoch: str = ""
    version: int = 0


class StreamFollower(Generic[ChangeT]):
    """Decides for each change whether it is to be applied now, is known already, or waits for a snapshot."""

    def __init__(self) -> None:
        self.position = Position()
        self.is_stale = True
        """True while a snapshot is needed: until the first one, and after each gap."""
        self.losses = 0
        """How often changes may have been missed without a gap in the numbers that arrived."""
        self._waiting: list[tuple[Position, ChangeT]] = []

    def offer(self, position: Position, change: ChangeT, *, is_empty: bool) -> bool:
        """Return True when ``change`` is to be applied now.

        A known change is dropped. A change behind a gap makes the follower stale and waits for the snapshot.
        ``is_empty`` is as in :meth:`is_next`.
        """
        if not self.is_stale:
            if position.epoch == self.position.epoch and position.version <= self.position.version:
                return False
            self.is_stale = not self.is_next(position, is_empty=is_empty)
        if self.is_stale:
            self._waiting.append((position, change))
            return False
        self.position = position
        return True

    def is_next(self, position: Position, *, is_empty: bool) -> bool:
        """Return True for the position that follows the present one.

        Another epoch may begin, with version 1, where the follower has nothing that could be lost by it:
        there was no epoch before, or ``is_empty`` says that all data of the last one are gone.
        """
        if position.epoch == self.position.epoch:
            return position.version == self.position.version + 1
        return position.version == 1 and (not self.position.epoch or is_empty)

    def lose(self) -> None:
        """Ask for a snapshot: changes may have been missed, or made without a number."""
        self.losses += 1
        self.is_stale = True

    def reset(self, position: Position, losses: int) -> list[tuple[Position, ChangeT]]:
        """Go on from a snapshot's position; return the changes that waited, to be offered again in order.

        ``losses`` is the value of :attr:`losses` before the snapshot was read. After a loss since then, the
        follower is stale again and needs another snapshot.
        """
        self.is_stale = losses != self.losses
        self.position = position
        waiting, self._waiting = self._waiting, []
        return waiting
