"""What all nodes know together: their channels, members, sessions, and themselves.

Each node answers for its own sessions. A list is cut to a page on every node before it travels, and again
where the parts meet: it is sorted by name, and the next page begins after the last name of this one.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hornet.broker.subscriber import Subscriber
from hornet.broker.survey import Collected, Survey
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Session, Sessions

Entry = dict[str, Any]

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order. ``next`` is what the following page begins after, None at the end."""

    entries: list[Entry]
    next: str | None
    missing: tuple[str, ...]


class Cluster:
    """Asks all nodes, and answers for this one."""

    def __init__(
        self, engine: Engine, asking: Survey, sessions: Sessions, listener: Subscriber, version: str
    ) -> None:
        self._engine = engine
        self._asking = asking
        self._sessions = sessions
        self._listener = listener
        self._version = version
        self._started_at = time.monotonic()
        for question, answerer in (
            ("channels", self._channels),
            ("channel", self._channel),
            ("members", self._members),
            ("sessions", self._list_sessions),
            ("session", self._session),
            ("disconnect", self._disconnect),
            ("node", self._node),
        ):
            asking.on(question, answerer)

    # What the API asks ---------------------------------------------------------------------------

    async def channels(self, prefix: str, after: str, limit: int) -> Page:
        """Channels with somebody in them: ``{"channel", "sessions"}``."""
        found = await self._asking.ask("channels", prefix=prefix, after=after, limit=limit)
        totals: dict[str, int] = {}
        for entries in found.answers.values():
            for name, sessions in entries:
                totals[name] = totals.get(name, 0) + sessions
        page = _page(({"channel": name, "sessions": totals[name]} for name in totals), "channel", limit)
        return Page(page.entries, page.next, found.missing)

    async def channel(self, channel: str) -> Collected:
        """How many sessions each node has in it."""
        return await self._asking.ask("channel", channel=channel)

    async def members(self, channel: str, after: str, limit: int) -> Page:
        """The sessions in a channel."""
        return _merge(await self._asking.ask("members", channel=channel, after=after, limit=limit), limit)

    async def sessions(self, after: str, limit: int) -> Page:
        """All sessions."""
        return _merge(await self._asking.ask("sessions", after=after, limit=limit), limit)

    async def session(self, sid: str) -> tuple[Entry | None, tuple[str, ...]]:
        """One session, and the nodes that might have it but did not answer."""
        found = await self._asking.ask("session", session=sid)
        entries = (with_node(entry, node) for node, entry in found.answers.items() if entry is not None)
        return next(entries, None), found.missing

    async def disconnect(self, sids: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
        """Close sessions for good; which ones there were, and the nodes that did not answer."""
        found = await self._asking.ask("disconnect", sessions=list(sids))
        return sorted(sid for closed in found.answers.values() for sid in closed), found.missing

    async def nodes(self) -> Collected:
        """What each node says of itself."""
        return await self._asking.ask("node")

    # What this node answers ----------------------------------------------------------------------

    async def _channels(self, data: Mapping[str, Any]) -> list[tuple[str, int]]:
        prefix, after = data["prefix"], data["after"]
        counts: dict[str, int] = {}
        for session in self._sessions.all():
            for channel in session.channels:
                if channel > after and channel.startswith(prefix):
                    counts[channel] = counts.get(channel, 0) + 1
        return heapq.nsmallest(data["limit"] + 1, counts.items())

    async def _channel(self, data: Mapping[str, Any]) -> int:
        return len(self._engine.members(room_of(data["channel"])))

    async def _members(self, data: Mapping[str, Any]) -> list[Entry]:
        found = (self._sessions.get(sid) for sid in self._engine.members(room_of(data["channel"])))
        return _cut((session for session in found if session is not None), data, _member)

    async def _list_sessions(self, data: Mapping[str, Any]) -> list[Entry]:
        return _cut(self._sessions.all(), data, describe)

    async def _session(self, data: Mapping[str, Any]) -> Entry | None:
        session = self._sessions.get(data["session"])
        return None if session is None else describe(session)

    async def _disconnect(self, data: Mapping[str, Any]) -> list[str]:
        closed = [sid for sid in data["sessions"] if self._sessions.get(sid) is not None]
        for sid in closed:
            self._engine.disconnect(sid)
        return closed

    async def _node(self, data: Mapping[str, Any]) -> Entry:
        return {
            "version": self._version,
            "uptime_s": round(time.monotonic() - self._started_at, 3),
            "sessions": len(self._sessions),
            "subscriptions": self._listener.topics,
        }


def describe(session: Session) -> Entry:
    """A session as the API shows it. Its tokens stay where they are: they could end it."""
    return {
        **_member(session),
        "state": session.state.name.lower(),
        "address": session.address,
        "channels": sorted(session.channels),
    }


def with_node(entry: Entry, node: str) -> Entry:
    return {**entry, "node": node}


def _member(session: Session) -> Entry:
    return {"session": session.sid, "user": session.user, "info": session.info}


def _cut(sessions: Iterable[Session], data: Mapping[str, Any], show: Any) -> list[Entry]:
    """The page of this node's: one more than is asked for tells that there are more."""
    later = (session for session in sessions if session.sid > data["after"])
    return [show(one) for one in heapq.nsmallest(data["limit"] + 1, later, key=lambda one: one.sid)]


def _merge(found: Collected, limit: int) -> Page:
    entries = [with_node(entry, node) for node, part in found.answers.items() for entry in part]
    page = _page(entries, "session", limit)
    return Page(page.entries, page.next, found.missing)


def _page(entries: Iterable[Entry], name: str, limit: int) -> Page:
    ordered = heapq.nsmallest(limit + 1, entries, key=lambda entry: entry[name])
    more = len(ordered) > limit
    return Page(ordered[:limit], ordered[limit - 1][name] if more else None, ())
