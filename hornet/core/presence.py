"""The members of a channel, each with one session or more, on any node.

A session becomes present with data that its backend signed. Sessions with the same id are one member: the
member is added with the first of them and gone with the last, wherever they are connected.

:class:`Roster` holds the members that one node knows, and those that it has announced to its clients.
Sessions come and go in it one by one; from time to time the node announces the changes in one batch. A
client that gets the list of members, and every batch after it, knows exactly the same members as the others.

A list of everybody, sent to everybody, costs the square of the crowd. So only some members are *listed*: all
of them up to ``max_listed``, and of a larger crowd those who came first. Clients are told of changes to the
listed members, and how many members there are in all. When a listed member leaves a crowd, another one takes
its place; ``FILLED_PER_BATCH`` bounds what that costs when thousands leave together.

:class:`PresenceView` keeps the roster up to date with Redis, which has the truth for all nodes and numbers
its changes (see :mod:`hornet.core.positions`). Each change reaches all nodes as a :class:`PresenceNotice`;
after a gap the node reads a :class:`PresenceSnapshot`.

While a session of this node is present, Redis always has a member. Another epoch therefore means that Redis
lost its data. The nodes then write their own members again, each after its own time. So a member that is not
in the first snapshot of such an epoch is not gone; only one that is still missing later is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.core.grants import MAX_USER_CHARS, is_user_id
from hornet.core.jsontext import check_depth, dump_json, parse_json
from hornet.core.positions import Position, StreamFollower

MAX_PRESENCE_BYTES = 1024
"""Of one member's data, which is sent to every other member: a name and a picture's address, no picture."""

FILLED_PER_BATCH = 25
"""Places that members of a crowd take in the list with one batch: 250 a second, as many as a list has."""

MAX_PRESENCE_DEPTH = 32
"""Of lists and objects within each other: one browser's parser may take more than another member's."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a channel; ``info`` is any JSON value, meant for the other members."""

    id: str
    info: Any = None

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id} if self.info is None else {"id": self.id, "info": self.info}


def as_json(members: Iterable[Member]) -> list[dict[str, Any]]:
    """Return the members in the form that clients get."""
    return [member.as_json() for member in members]


@dataclass(frozen=True, slots=True)
class MemberList:
    """Some of the members of a channel, and the ``count`` of all of them.

    ``next`` is the id after which the following page begins; None for the last page, and for the listed
    members, which are no page.
    """

    members: tuple[Member, ...]
    count: int
    next: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields in the form that clients get."""
        following = {} if self.next is None else {"next": self.next}
        return {"members": as_json(self.members), "count": self.count, **following}


def parse_member(text: str | bytes, default_id: str | None = None) -> Member:
    """Parse presence data: ``{"id", "info"}``, both optional, or any other object.

    Without ``id``, the member is ``default_id``. Without ``info``, the other fields of the object are the
    info, as backends of pushy write them. An empty list stands for ``{}``, as PHP writes that.

    Raises:
        PeerError: ``BAD_PRESENCE``; the detail says what is wrong.
    """
    if len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")) > MAX_PRESENCE_BYTES:
        raise _bad(f"the presence data is longer than {MAX_PRESENCE_BYTES} bytes")
    try:
        data = parse_json(text)
        dump_json(data).encode()
    except ValueError:
        raise _bad("the presence data is not JSON that can be sent on") from None
    if data == []:
        data = {}
    if not isinstance(data, dict):
        raise _bad("the presence data is no JSON object")
    try:
        check_depth(data, MAX_PRESENCE_DEPTH)
    except ValueError:
        raise _bad(f"the presence data is nested deeper than {MAX_PRESENCE_DEPTH} levels") from None
    member_id = data.pop("id", default_id)
    if type(member_id) is int:
        member_id = str(member_id)
    if not is_user_id(member_id):
        raise _bad(f"'id' in the presence data is no text of 1 to {MAX_USER_CHARS} characters")
    return Member(member_id, data.get("info", data or None))


def load_member(text: str | bytes) -> Member:
    """Read a member that a node wrote: the JSON of :meth:`Member.as_json`.

    Raises:
        ValueError: the text is not a member.
    """
    fields = parse_json(text)
    if not isinstance(fields, dict) or not is_user_id(fields.get("id")):
        raise ValueError("no member")
    return Member(fields["id"], fields.get("info"))


@dataclass(frozen=True, slots=True)
class MemberChanges:
    """The changes since the last batch. No member is in both lists."""

    added: tuple[Member, ...] = ()
    gone: tuple[Member, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.gone)


class Roster:
    """The members of one channel: as they are now, and as they were announced.

    A session is named by any text that is unique among all nodes. A member keeps the ``info`` of the session
    it was added with until the member is gone; the ``info`` of later sessions is ignored.
    """

    def __init__(self, *, max_listed: Callable[[], int]) -> None:
        self._max_listed = max_listed
        self._sessions: dict[str, Member] = {}
        self._sessions_of: dict[str, dict[str, None]] = {}
        self._changed: dict[str, None] = {}
        self._listed: dict[str, Member] = {}
        """The members that were announced, in their order."""
        self._unlisted: dict[str, Member] = {}
        """The members of earlier batches that have no place in the list, in their order."""
        self._ids: list[str] | None = None
        """The ids of both in alphabetical order, once a page was asked for."""

    def __len__(self) -> int:
        """Return how many sessions are present now."""
        return len(self._sessions)

    def __contains__(self, session: str) -> bool:
        return session in self._sessions

    @property
    def members(self) -> int:
        """How many members there are now."""
        return len(self._sessions_of)

    def has_member(self, member_id: str) -> bool:
        return member_id in self._sessions_of

    @property
    def has_changes(self) -> bool:
        """True when the next batch may not be empty."""
        return bool(self._changed or (self._unlisted and len(self._listed) < self._max_listed()))

    @property
    def is_crowd(self) -> bool:
        """True while there are members that are not listed."""
        return bool(self._unlisted)

    @property
    def count(self) -> int:
        """How many members there are by all batches so far, listed or not."""
        return len(self._listed) + len(self._unlisted)

    @property
    def listed(self) -> MemberList:
        """The listed members by all batches so far: what a client gets that joins before the next batch."""
        return MemberList(tuple(self._listed.values()), self.count)

    def page(self, after: str, limit: int) -> MemberList:
        """Return the first ``limit`` of all members whose ids sort after ``after``, in that order."""
        if self._ids is None:
            self._ids = sorted([*self._listed, *self._unlisted])
        start = bisect_right(self._ids, after)
        ids = self._ids[start : start + limit]
        has_more = start + limit < len(self._ids)
        members = (self._listed.get(member_id) or self._unlisted[member_id] for member_id in ids)
        return MemberList(tuple(members), self.count, ids[-1] if has_more else None)

    def put(self, session: str, member: Member) -> None:
        """Make ``session`` present as ``member``. Repeating it has no effect."""
        present = self._sessions.get(session)
        if present is not None:
            if present.id == member.id:
                return
            self.remove(session)
        self._sessions[session] = member
        self._sessions_of.setdefault(member.id, {})[session] = None
        self._changed[member.id] = None

    def remove(self, session: str) -> None:
        """Make ``session`` absent. It has no effect where the session is not present."""
        member = self._sessions.pop(session, None)
        if member is None:
            return
        sessions = self._sessions_of[member.id]
        del sessions[session]
        if not sessions:
            del self._sessions_of[member.id]
        self._changed[member.id] = None

    def merge(self, sessions: Mapping[str, Member]) -> None:
        """Make all of ``sessions`` present, beside those that are."""
        for session, member in sessions.items():
            self.put(session, member)

    def replace(self, sessions: Mapping[str, Member]) -> None:
        """Make exactly ``sessions`` present."""
        self.remove_all(self._sessions.keys() - sessions.keys())
        self.merge(sessions)

    def remove_all(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            self.remove(session)

    def take_changes(self) -> MemberChanges:
        """Return the next batch: each change since the last call once, without those that were undone."""
        listed, unlisted = self._listed, self._unlisted
        gone = []
        for member_id in self._changed:
            sessions = self._sessions_of.get(member_id)
            if not sessions:
                if unlisted.pop(member_id, None) is None and member_id in listed:
                    gone.append(listed.pop(member_id))
            elif member_id not in listed and member_id not in unlisted:
                unlisted[member_id] = self._sessions[next(iter(sessions))]
        self._changed.clear()
        self._ids = None
        places = max(0, self._max_listed() - len(listed))
        if len(unlisted) > places:
            places = min(places, FILLED_PER_BATCH)
        added = [unlisted.pop(member_id) for member_id in list(islice(unlisted, places))]
        listed.update((member.id, member) for member in added)
        return MemberChanges(tuple(added), tuple(gone))


@dataclass(frozen=True, slots=True)
class PresenceNotice:
    """One change: sessions that are present from ``version`` on, and sessions that no longer are."""

    epoch: str
    version: int
    put: Mapping[str, Member] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.version)


@dataclass(frozen=True, slots=True)
class PresenceSnapshot:
    """All sessions at one version. Without any session, the epoch is empty and the version is 0."""

    epoch: str
    version: int
    sessions: Mapping[str, Member] = field(default_factory=dict)


class PresenceView:
    """The members of a channel, as far as this node knows them."""

    def __init__(self, *, max_listed: Callable[[], int]) -> None:
        self.roster = Roster(max_listed=max_listed)
        self.is_settling = False
        """True while members are kept that a snapshot lacked; a later snapshot decides about them."""
        self._follower: StreamFollower[PresenceNotice] = StreamFollower()

    @property
    def is_stale(self) -> bool:
        """True while a snapshot is needed: until the first one, and after each gap."""
        return self._follower.is_stale

    @property
    def losses(self) -> int:
        """How often notices may have been missed."""
        return self._follower.losses

    def apply(self, notice: PresenceNotice) -> None:
        """Follow one change. A known change has no effect; after a gap the view is stale.

        A change that comes while the view is stale waits for the snapshot.
        """
        if self._follower.offer(notice.position, notice, is_empty=not self.roster):
            self.roster.remove_all(notice.gone)
            self.roster.merge(notice.put)

    def is_next(self, notice: PresenceNotice) -> bool:
        """Return True for the change that follows, or that begins an epoch when there were no members."""
        return self._follower.is_next(notice.position, is_empty=not self.roster)

    def lose(self) -> None:
        """Ask for a snapshot: notices may have been missed, or Redis may have changed without one."""
        self._follower.lose()

    def reset(self, snapshot: PresenceSnapshot, losses: int = 0) -> None:
        """Take over a snapshot. ``losses`` is the value of :attr:`losses` before the snapshot was read."""
        known = self._follower.position
        has_lost_data = bool(known.epoch) and snapshot.epoch != known.epoch and len(self.roster) > 0
        waiting = self._follower.reset(Position(snapshot.epoch, snapshot.version), losses)
        self.is_settling = has_lost_data or self.is_settling
        if self.is_settling:
            self.roster.merge(snapshot.sessions)
        else:
            self.roster.replace(snapshot.sessions)
        for _, notice in waiting:
            self.apply(notice)

    def settle(self) -> None:
        """Accept the next snapshot as the whole truth: every node has had time to write its members."""
        self.is_settling = False
        self.lose()


def _bad(detail: str) -> PeerError:
    return PeerError(codes.BAD_PRESENCE, detail)
