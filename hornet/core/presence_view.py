"""How one node follows the members of a channel that every node may change.

Redis holds the truth and counts its changes: each has the next ``version`` of an ``epoch``. An epoch begins
when the truth is written where there was none, with a name that no other has. Every change is told to all
nodes as a :class:`Notice`. A node that gets each version in turn knows what Redis knows; one that misses a
version, or meets another epoch, must read the whole as a :class:`Snapshot`.

While somebody of this node is present, the truth is never empty. Another epoch therefore means that Redis
lost its data. The nodes then write their own members anew, each in its time. So what a first snapshot of such
an epoch lacks is not gone; only what is still lacking later is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hornet.core.presence import Member, Roster


@dataclass(frozen=True, slots=True)
class Notice:
    """One change: sessions that are present from ``version`` on, and those that are no more."""

    epoch: str
    version: int
    put: Mapping[str, Member] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All sessions at one version. Without any, there is no epoch and the version is 0."""

    epoch: str
    version: int
    sessions: Mapping[str, Member] = field(default_factory=dict)


class View:
    """What this node knows of a channel's members."""

    def __init__(self) -> None:
        self.roster = Roster()
        self.is_stale = True
        """True while a snapshot is needed: until the first one, and after each gap."""
        self.is_settling = False
        """True when members are kept that a snapshot lacked; one that is read later must decide."""
        self.losses = 0
        """How often notices may have been missed."""
        self._epoch = ""
        self._version = 0
        self._waiting: list[Notice] = []

    def apply(self, notice: Notice) -> None:
        """Follow one change. One that is known already changes nothing; after a gap the view is stale.

        What comes while it is stale waits for the snapshot.
        """
        if not self.is_stale:
            if notice.epoch == self._epoch and notice.version <= self._version:
                return
            self.is_stale = not self.is_next(notice)
        if self.is_stale:
            self._waiting.append(notice)
            return
        self._epoch, self._version = notice.epoch, notice.version
        self.roster.remove_all(notice.gone)
        self.roster.merge(notice.put)

    def is_next(self, notice: Notice) -> bool:
        """True for the change that follows what is known, or that begins an epoch when nobody was there."""
        if notice.epoch == self._epoch:
            return notice.version == self._version + 1
        return notice.version == 1 and (not self._epoch or not len(self.roster))

    def lose(self) -> None:
        """Notices may have been missed, or what Redis knows may have changed without one."""
        self.losses += 1
        self.is_stale = True

    def reset(self, snapshot: Snapshot, losses: int = 0) -> None:
        """Know the whole as it was read. ``losses`` is what :attr:`losses` was before the reading."""
        self.is_stale = losses != self.losses
        lost = bool(self._epoch) and snapshot.epoch != self._epoch and len(self.roster) > 0
        self._epoch, self._version = snapshot.epoch, snapshot.version
        self.is_settling = lost or self.is_settling
        if self.is_settling:
            self.roster.merge(snapshot.sessions)
        else:
            self.roster.replace(snapshot.sessions)
        waiting, self._waiting = self._waiting, []
        for notice in waiting:
            self.apply(notice)

    def settle(self) -> None:
        """Enough time has passed for every node: the next snapshot is the whole truth."""
        self.is_settling = False
        self.lose()
