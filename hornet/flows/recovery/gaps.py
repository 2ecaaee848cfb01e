"""Notices to clients that messages of their channels may be missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from enum import StrEnum

from hornet.broker.keys import channel_topic, user_topic
from hornet.core import answers
from hornet.engine import Engine, PreparedMessage
from hornet.flows.channels.patterns import Patterns
from hornet.flows.sessions.sessions import Session, Sessions


class GapReason(StrEnum):
    """Why messages may be missing; clients get it, and it is a label of a metric."""

    REDIS_CONNECTION_LOST = "redis_connection_lost"
    """Plain publishes came, or may have come, while the node was cut from Redis."""
    REDIS_LOST_DATA = "redis_lost_data"
    """Redis came back without the history of before, or with an older state."""
    HISTORY_TOO_SHORT = "history_too_short"
    """Recorded messages are no longer in the history."""
    HISTORY_UNAVAILABLE = "history_unavailable"
    """The history could not be read in time."""


class GapNotices:
    """Tells the sessions that asked for positions; other clients don't know such a message.

    Those that ``recovers`` names lose their transport instead. Their offset is from before the gap, so they
    come back with what can still be read, or as new sessions, and so learn of it.
    """

    def __init__(
        self, *, engine: Engine, sessions: Sessions, patterns: Patterns, recovers: Callable[[Session], bool]
    ) -> None:
        self._recovers = recovers
        self._engine = engine
        self._sessions = sessions
        self._patterns = patterns
        self.counts: Counter[GapReason] = Counter(dict.fromkeys(GapReason, 0))
        """For each reason, on how many topics and globs messages may be missing."""

    def tell(self, sources: Collection[str], reason: GapReason) -> None:
        """Tell each session which of its channels and patterns are among ``sources``: topics and globs."""
        wanted = frozenset(sources)
        if not wanted:
            return
        self.counts[reason] += len(wanted)
        prepared: dict[tuple[tuple[str, ...], tuple[str, ...], bool], PreparedMessage] = {}
        for session in list(self._sessions.all()):
            if not session.positions and not self._recovers(session):
                continue
            key = self._places(session, wanted)
            if not any(key):
                continue
            if not session.positions:
                self._engine.close(session.sid)
                continue
            if key not in prepared:
                prepared[key] = PreparedMessage(answers.gap(*key, reason=reason))
            self._engine.tell(session.sid, prepared[key])

    def _places(
        self, session: Session, sources: frozenset[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """Return which channels and patterns are among ``sources``, and whether the user's topic is."""
        channels = tuple(channel for channel in session.channels if channel_topic(channel) in sources)
        held = self._patterns.sources_of(session)
        patterns = tuple(text for text, topics in held.items() if not sources.isdisjoint(topics))
        return channels, patterns, session.user is not None and user_topic(session.user) in sources
