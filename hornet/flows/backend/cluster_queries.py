"""Questions that all nodes answer together: about channels, members, sessions, and the nodes themselves.

Each node answers for its own sessions. Every node cuts its list to a page before it sends it, by entries and
by bytes, and the node that asked cuts the merged list again. Lists are sorted by name; the next page begins
after the last name of this one. Where a node cut its list, the merged page ends there too: that node may have
entries before the next ones of the others.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hornet.broker.subscriber import Subscriber
from hornet.broker.survey import Answerer, Survey, SurveyResult
from hornet.core.jsontext import dump_ascii_json
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Session, Sessions

Entry = dict[str, Any]

MAX_PAGE = 1000

ENVELOPE_BYTES = 256
"""Of an answer's other fields."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order.

    ``next`` is the name after which the following page begins, None at the end. ``missing`` are the nodes
    that did not answer in time.
    """

    entries: list[Entry]
    next: str | None
    missing: tuple[str, ...]


class ClusterQueries:
    """Asks all nodes, and answers for this one.

    Each query raises ``RedisUnavailable`` when no node could be asked.
    """

    def __init__(
        self, *, engine: Engine, survey: Survey, sessions: Sessions, subscriber: Subscriber, version: str
    ) -> None:
        self._engine = engine
        self._survey = survey
        self._sessions = sessions
        self._subscriber = subscriber
        self._version = version
        self._started_at = time.monotonic()

    def answerers(self) -> Mapping[str, Answerer]:
        """Return how this node answers each question; to be registered at the survey."""
        return {
            "channels": self._list_channels,
            "channel": self._count_sessions,
            "members": self._list_members,
            "sessions": self._list_sessions,
            "session": self._find_session,
            "disconnect": self._disconnect,
            "node": self._describe_node,
        }

    # Queries of the HTTP API ---------------------------------------------------------------------

    async def channels(self, prefix: str, after: str, limit: int) -> Page:
        """List the channels that have a session: ``{"channel", "sessions"}``."""
        collected = await self._survey.ask("channels", prefix=prefix, after=after, limit=limit)
        totals: dict[str, int] = {}
        for part in collected.answers.values():
            for entry in part["entries"]:
                totals[entry["channel"]] = totals.get(entry["channel"], 0) + entry["sessions"]
        entries = [{"channel": name, "sessions": sessions} for name, sessions in totals.items()]
        return _page(entries, "channel", collected, limit)

    async def channel(self, channel: str) -> SurveyResult:
        """Count the sessions in a channel, by node."""
        return await self._survey.ask("channel", channel=channel)

    async def members(self, channel: str, after: str, limit: int) -> Page:
        """List the sessions in a channel."""
        return _merge(await self._survey.ask("members", channel=channel, after=after, limit=limit), limit)

    async def sessions(self, after: str, limit: int) -> Page:
        """List all sessions."""
        return _merge(await self._survey.ask("sessions", after=after, limit=limit), limit)

    async def session(self, sid: str) -> tuple[Entry | None, tuple[str, ...]]:
        """Return one session, and the nodes that might have it but did not answer."""
        collected = await self._survey.ask("session", session=sid)
        entries = (_with_node(entry, node) for node, entry in collected.answers.items() if entry is not None)
        return next(entries, None), collected.missing

    async def disconnect(self, sids: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
        """Disconnect sessions; return those that there were, and the nodes that did not answer."""
        collected = await self._survey.ask("disconnect", sessions=list(sids))
        disconnected = sorted(sid for part in collected.answers.values() for sid in part)
        return disconnected, collected.missing

    async def nodes(self) -> SurveyResult:
        """Ask each node to describe itself."""
        return await self._survey.ask("node")

    # Answers of this node ------------------------------------------------------------------------

    async def _list_channels(self, data: Mapping[str, Any]) -> Entry:
        prefix, after = data["prefix"], data["after"]
        counts: dict[str, int] = {}
        for session in self._sessions.all():
            for channel in session.channels:
                if channel > after and channel.startswith(prefix):
                    counts[channel] = counts.get(channel, 0) + 1
        first = heapq.nsmallest(data["limit"] + 1, counts.items())
        return _cut([{"channel": channel, "sessions": sessions} for channel, sessions in first], data)

    async def _count_sessions(self, data: Mapping[str, Any]) -> int:
        return len(self._engine.members(room_of(data["channel"])))

    async def _list_members(self, data: Mapping[str, Any]) -> Entry:
        members = (self._sessions.get(sid) for sid in self._engine.members(room_of(data["channel"])))
        return _cut_sessions((session for session in members if session is not None), data, _member)

    async def _list_sessions(self, data: Mapping[str, Any]) -> Entry:
        return _cut_sessions(self._sessions.all(), data, _describe)

    async def _find_session(self, data: Mapping[str, Any]) -> Entry | None:
        session = self._sessions.get(data["session"])
        return None if session is None else _describe(session)

    async def _disconnect(self, data: Mapping[str, Any]) -> list[str]:
        connected = [sid for sid in data["sessions"] if self._sessions.get(sid) is not None]
        for sid in connected:
            self._engine.disconnect(sid)
        return connected

    async def _describe_node(self, data: Mapping[str, Any]) -> Entry:
        return {
            "version": self._version,
            "uptime_s": round(time.monotonic() - self._started_at, 3),
            "sessions": len(self._sessions),
            "subscriptions": self._subscriber.topics,
        }


def _describe(session: Session) -> Entry:
    """Return a session as the API shows it. Its tokens are left out: with a token, a reader could end it."""
    return {
        **_member(session),
        "state": session.state.name.lower(),
        "address": session.address,
        "channels": sorted(session.channels),
    }


def _with_node(entry: Entry, node: str) -> Entry:
    return {**entry, "node": node}


def _member(session: Session) -> Entry:
    return {"session": session.sid, "user": session.user, "info": session.info}


def _cut_sessions(
    sessions: Iterable[Session], data: Mapping[str, Any], describe: Callable[[Session], Entry]
) -> Entry:
    """Return this node's part of a page of sessions."""
    later = (session for session in sessions if session.sid > data["after"])
    part = heapq.nsmallest(data["limit"] + 1, later, key=lambda session: session.sid)
    return _cut(map(describe, part), data)


def _cut(entries: Iterable[Entry], data: Mapping[str, Any]) -> Entry:
    """Return the first entries: ``limit`` at most, and ``max_bytes`` of JSON, but one at least.

    ``has_more`` is true if there are others.
    """
    part: list[Entry] = []
    left = data["max_bytes"] - ENVELOPE_BYTES
    for entry in entries:
        left -= len(dump_ascii_json(entry)) + 1
        if len(part) == data["limit"] or (part and left < 0):
            return {"entries": part, "has_more": True}
        part.append(entry)
    return {"entries": part, "has_more": False}


def _merge(collected: SurveyResult, limit: int) -> Page:
    entries = [
        _with_node(entry, node) for node, part in collected.answers.items() for entry in part["entries"]
    ]
    return _page(entries, "session", collected, limit)


def _page(entries: Iterable[Entry], name: str, collected: SurveyResult, limit: int) -> Page:
    """Return the first entries of all nodes, as far as no node may have others between them."""
    cuts = [part["entries"][-1][name] for part in collected.answers.values() if part["has_more"]]
    end = min(cuts, default=None)
    known = [entry for entry in entries if end is None or entry[name] <= end]
    page = heapq.nsmallest(limit, known, key=lambda entry: entry[name])
    has_more = end is not None or len(known) > limit
    return Page(page, page[-1][name] if has_more else None, collected.missing)
