"""Who is present on a channel: members, each with one session or more, on any node.

A session becomes present with data that its backend signed. Sessions with the same id are one member: it is
added with the first of them and gone with the last, wherever they are connected.

:class:`Roster` is what one node knows and has told. Sessions come and go in it at once, in any number; the
node takes the changes out from time to time and tells them in one batch. Whoever is told the members first
and every batch after it knows, at each moment, exactly what the others know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornet.core.errors import PeerError
from hornet.core.grants import is_user_id
from hornet.core.jsontext import dump_json, parse_json

BAD_PRESENCE = "BAD_PRESENCE"

MAX_PRESENCE_BYTES = 1024
"""Of one member's data. Every other member is sent it: a name and a picture's address, not the picture."""

MAX_DEPTH = 32
"""Of lists and objects within each other. What one browser's parser takes, another member's may not."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is present; ``info`` is any JSON value, meant for the other members."""

    id: str
    info: Any = None

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id} if self.info is None else {"id": self.id, "info": self.info}


def as_json(members: Sequence[Member]) -> list[dict[str, Any]]:
    """The members as clients get them."""
    return [member.as_json() for member in members]


def parse_member(text: str | bytes, user: str | None = None) -> Member:
    """The member that presence data describes: ``{"id", "info"}``, both optional if ``user`` is known.

    Raises:
        PeerError: ``BAD_PRESENCE``; the detail says what is wrong.
    """
    if len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")) > MAX_PRESENCE_BYTES:
        raise _bad(f"the presence data is longer than {MAX_PRESENCE_BYTES} bytes")
    try:
        shown = parse_json(text)
        dump_json(shown).encode()
    except ValueError:
        raise _bad("the presence data is not JSON that can be sent on") from None
    if not isinstance(shown, dict):
        raise _bad("the presence data is no JSON object")
    if _is_deeper(shown, MAX_DEPTH):
        raise _bad(f"the presence data is nested deeper than {MAX_DEPTH} levels")
    found = shown.get("id", user)
    member_id = str(found) if type(found) is int else found
    if not is_user_id(member_id):
        raise _bad("the presence data has no 'id', and the session has no user")
    return Member(member_id, shown.get("info"))


def load_member(text: str | bytes) -> Member:
    """A member that a node wrote down: the JSON of :meth:`Member.as_json`.

    Raises:
        ValueError: it is none.
    """
    shown = parse_json(text)
    if not isinstance(shown, dict) or not is_user_id(shown.get("id")):
        raise ValueError("no member")
    return Member(shown["id"], shown.get("info"))


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last batch. Nobody is in both lists."""

    added: tuple[Member, ...] = ()
    gone: tuple[Member, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.gone)


class Roster:
    """The members of one channel: as they are by all that was heard, and as they were told.

    A session is named by any text that is its own among all nodes. Whatever a member's later sessions say,
    the member has the ``info`` of the session it was added with, until it is gone.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Member] = {}
        self._sessions_of: dict[str, dict[str, None]] = {}
        self._told: dict[str, Member] = {}
        self._changed: dict[str, None] = {}

    def __len__(self) -> int:
        """How many sessions are present now."""
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
        """True when the next batch may tell something."""
        return bool(self._changed)

    @property
    def told(self) -> list[Member]:
        """The members by all batches so far: what a newcomer is told before the next one."""
        return list(self._told.values())

    def put(self, session: str, member: Member) -> None:
        """``session`` is present as ``member`` from now on. Saying it again changes nothing."""
        present = self._sessions.get(session)
        if present is not None:
            if present.id == member.id:
                return
            self.remove(session)
        self._sessions[session] = member
        self._sessions_of.setdefault(member.id, {})[session] = None
        self._changed[member.id] = None

    def remove(self, session: str) -> None:
        """``session`` is present no more. One that never was changes nothing."""
        member = self._sessions.pop(session, None)
        if member is None:
            return
        others = self._sessions_of[member.id]
        del others[session]
        if not others:
            del self._sessions_of[member.id]
        self._changed[member.id] = None

    def merge(self, sessions: Mapping[str, Member]) -> None:
        """All of ``sessions`` are present, beside those that are known."""
        for session, member in sessions.items():
            self.put(session, member)

    def replace(self, sessions: Mapping[str, Member]) -> None:
        """Exactly ``sessions`` are present."""
        self.remove_all(self._sessions.keys() - sessions.keys())
        self.merge(sessions)

    def remove_all(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            self.remove(session)

    def take_changes(self) -> Changes:
        """What is to be told now: each change since the last call once, none of what was undone since."""
        added, gone = [], []
        for member_id in self._changed:
            sessions = self._sessions_of.get(member_id)
            if sessions and member_id not in self._told:
                member = self._told[member_id] = self._sessions[next(iter(sessions))]
                added.append(member)
            elif not sessions and member_id in self._told:
                gone.append(self._told.pop(member_id))
        self._changed.clear()
        return Changes(tuple(added), tuple(gone))


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not levels or any(_is_deeper(one, levels - 1) for one in inner)


def _bad(detail: str) -> PeerError:
    return PeerError(BAD_PRESENCE, detail)
