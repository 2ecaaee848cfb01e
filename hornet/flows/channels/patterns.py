"""Pattern subscriptions: which session may have one, and how a publish reaches the sessions that match.

A pattern that names all its values is a topic, to which this node subscribes. Every other pattern needs
PSUBSCRIBE. Redis compares each PUBLISH, on any topic, with each glob that any node subscribed to: 10,000
globs would cost Redis more than everything else that it does. So a node subscribes to exact globs only while
they are few. After that it subscribes to broad globs, which all patterns with the same keys share, and which
let more through. In both cases the node itself looks up the subscriptions that match.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hornet.broker.subscriber import Subscriber
from hornet.core import codes
from hornet.core.credentials import Credentials
from hornet.core.errors import InvalidPublish, PeerError, RefusedCredentials
from hornet.core.message_limit import MessageLimit
from hornet.core.messages import Message, parse_pattern_publish
from hornet.core.pattern_index import PatternIndex
from hornet.core.patterns import Pattern, parse_pattern, parse_pattern_text, parse_topic
from hornet.core.sessions import AuthState
from hornet.core.tokens import is_token
from hornet.engine import Engine
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.delivery import ChannelDelivery
from hornet.flows.channels.glob_shares import GlobShares
from hornet.flows.channels.rooms import pattern_room
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

EXACT_GLOBS = 32
"""How many exact globs a node subscribes to. In Redis, 32 cost a PUBLISH some microseconds."""

MAX_GLOBS = 256
"""How many globs a node subscribes to in all. Each set of keys in use has its broad globs: a handful."""


@dataclass(slots=True)
class _ActivePattern:
    """A pattern that ``holders`` sessions here have; ``globs`` are those that receive for it, if any."""

    pattern: Pattern
    globs: tuple[str, ...]
    holders: int = 0

    @property
    def broad_globs(self) -> tuple[str, ...]:
        return self.globs if self.globs == self.pattern.broad_globs else ()


class Patterns:
    """The pattern subscriptions of this node's sessions."""

    def __init__(
        self,
        *,
        settings: ChannelSettings,
        engine: Engine,
        subscriber: Subscriber,
        admission: Admission,
        delivery: ChannelDelivery,
        limit: MessageLimit,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._subscriber = subscriber
        self._admission = admission
        self._delivery = delivery
        self._limit = limit
        self._metrics = metrics
        self._active: dict[str, _ActivePattern] = {}
        self._by_glob: dict[str, PatternIndex] = {}
        self._of_session: dict[Session, dict[str, Pattern]] = {}
        self._shares = GlobShares()

    def configure(self, settings: ChannelSettings) -> None:
        """Follow ``settings`` from now on. Subscriptions that exist stay."""
        self._settings = settings

    def __len__(self) -> int:
        """Count the different patterns that sessions are subscribed to now."""
        return len(self._active)

    # Requests of clients -------------------------------------------------------------------------

    async def subscribe(self, session: Session, request: Mapping[str, object]) -> dict[str, object]:
        """Subscribe a session to ``{"pattern", "subset"?, "token"?}``: it gets all that matches from now on.

        Subscribing again to the same pattern changes nothing.

        Raises:
            PeerError: ``BAD_PATTERN``, ``NOT_AUTHENTICATED``, ``FORBIDDEN``, ``TOO_MANY_PATTERNS``, or what
                is wrong with the token.
            RedisUnavailable: the token could not be checked.
        """
        pattern = parse_pattern(request.get("pattern"), request.get("subset"))
        held = self._of_session.get(session, {})
        if pattern.text not in held:
            if len(held) >= self._settings.max_patterns:
                raise RefusedEvent(
                    codes.TOO_MANY_PATTERNS, f"A session has {self._settings.max_patterns} at most"
                )
            await self._check_right(session, pattern, request.get("token"))
            await self._join(session, pattern)
        return {"ok": True, "pattern": pattern.text}

    async def unsubscribe(self, session: Session, request: Mapping[str, object]) -> dict[str, object]:
        """Unsubscribe a session from ``{"pattern", "subset"?}``.

        Raises:
            PeerError: ``BAD_PATTERN`` or ``NOT_SUBSCRIBED``.
        """
        pattern = parse_pattern(request.get("pattern"), request.get("subset"))
        if pattern.text not in self._of_session.get(session, ()):
            raise RefusedEvent(codes.NOT_SUBSCRIBED, "The session is not subscribed to this pattern")
        self._leave(session, pattern)
        return {"ok": True, "pattern": pattern.text}

    async def _check_right(self, session: Session, pattern: Pattern, token: object) -> None:
        """Refuse a session unless the configuration, or a token that names the pattern, lets it in."""
        if self._settings.public_patterns and session.state is AuthState.READY:
            return
        if token is None:
            if session.state is not AuthState.READY:
                raise RefusedEvent(codes.NOT_AUTHENTICATED)
            raise RefusedEvent(codes.FORBIDDEN, f"A token that names {pattern.text!r} is needed")
        if not is_token(token):
            raise RefusedEvent(codes.WRONG_PARAMETERS, "'token' is no token")
        try:
            is_in = await self._admission.redeem(session, Credentials(token, (pattern.text,)))
        except RefusedCredentials as refused:
            raise RefusedEvent(refused.code, codes.MESSAGES[refused.code].sentence) from None
        if not is_in:
            raise _session_ended()

    # Subscriptions -------------------------------------------------------------------------------

    async def _join(self, session: Session, pattern: Pattern) -> None:
        active = self._active.get(pattern.text)
        if active is None:
            globs = self._choose_globs(session, pattern)
            active = self._active[pattern.text] = _ActivePattern(pattern, globs)
            for glob in globs:
                self._by_glob.setdefault(glob, PatternIndex()).add(pattern)
        active.holders += 1
        self._shares.take(session, active.broad_globs)
        if active.globs:
            confirmations = [self._subscriber.subscribe_pattern(glob) for glob in active.globs]
        else:
            confirmations = [self._subscriber.subscribe(pattern.text)]
        try:
            await asyncio.gather(*confirmations)
            if session.state is AuthState.CLOSED:
                raise _session_ended()
        except BaseException:
            self._release(session, active)
            raise
        self._of_session.setdefault(session, {})[pattern.text] = pattern
        self._engine.enter(session.sid, pattern_room(pattern.text))

    def _leave(self, session: Session, pattern: Pattern) -> None:
        held = self._of_session[session]
        del held[pattern.text]
        if not held:
            del self._of_session[session]
        self._engine.leave(session.sid, pattern_room(pattern.text))
        self._release(session, self._active[pattern.text])

    def _release(self, session: Session, active: _ActivePattern) -> None:
        self._shares.give_back(session, active.broad_globs)
        for glob in active.globs:
            self._subscriber.unsubscribe_pattern(glob)
        if not active.globs:
            self._subscriber.unsubscribe(active.pattern.text)
        active.holders -= 1
        if active.holders:
            return
        del self._active[active.pattern.text]
        for glob in active.globs:
            self._by_glob[glob].remove(active.pattern)
            if not self._by_glob[glob]:
                del self._by_glob[glob]

    def _choose_globs(self, session: Session, pattern: Pattern) -> tuple[str, ...]:
        """Return the globs that receive for a pattern.

        A pattern keeps them for as long as a session has it, so that it gets no publish twice.

        Raises:
            RefusedEvent: ``TOO_MANY_PATTERNS``: this node subscribes to as many globs as it may, or the
                session or its address has its share of them.
        """
        if pattern.is_exact:
            return ()
        for globs, limit in ((pattern.globs, EXACT_GLOBS), (pattern.broad_globs, MAX_GLOBS)):
            added = [glob for glob in globs if glob not in self._by_glob]
            is_in_limit = len(self._by_glob) + len(added) <= limit
            has_room = globs != pattern.broad_globs or self._shares.has_room(session, added)
            if not added or (is_in_limit and has_room):
                return globs
        if is_in_limit:
            raise RefusedEvent(
                codes.TOO_MANY_PATTERNS, "The session or its address has as many kinds of patterns as it may"
            )
        raise RefusedEvent(
            codes.TOO_MANY_PATTERNS, "This server listens to as many kinds of patterns as it can"
        )

    def sources_of(self, session: Session) -> dict[str, tuple[str, ...]]:
        """Return the texts of a session's patterns, each with the globs or the topic that receive for it."""
        texts = self._of_session.get(session, ())
        return {text: self._active[text].globs or (text,) for text in texts}

    def texts_of(self, session: Session) -> list[str]:
        """Return the canonical texts of a session's patterns."""
        return list(self._of_session.get(session, ()))

    async def restore(self, session: Session, texts: Iterable[str]) -> None:
        """Subscribe a session that came back to the patterns that it had; it had the right to them.

        A pattern for which this node has no room is left out.

        Raises:
            RedisUnavailable: some were not subscribed to.
        """
        for text in texts:
            try:
                await self._join(session, parse_pattern_text(text))
            except PeerError as refused:
                log.info("Session %s can't have a pattern again: %s", session.sid, refused.code)

    def leave_all(self, session: Session) -> None:
        """Take a session out of all its patterns: it ended, or it logged out."""
        for pattern in tuple(self._of_session.get(session, {}).values()):
            self._leave(session, pattern)

    # Publishes -----------------------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Queue one publish, on a topic that is the text of a pattern, for the sessions with that pattern."""
        self._deliver((topic,), topic, payload)

    def receive_match(self, glob: str, topic: str, payload: bytes) -> None:
        """Queue one publish that a glob let through, once for each pattern that matches its topic."""
        parsed = parse_topic(topic)
        index = self._by_glob.get(glob)
        if parsed is not None and index is not None and (texts := index.match(parsed)):
            self._deliver(texts, topic, payload)

    def _deliver(self, texts: Sequence[str], topic: str, payload: bytes) -> None:
        try:
            self._limit.check(payload)
            message = parse_pattern_publish(topic, payload)
        except InvalidPublish as error:
            self._metrics.dropped.labels(error.code).inc()
            log.warning("Dropped a publish of %d bytes on %r: %s", len(payload), topic, error.detail)
            return
        for text in texts:
            self._delivery.deliver(pattern_room(text), _by_pattern(message, text))


def _by_pattern(message: Message, text: str) -> Message:
    return replace(message, body={**message.body, "pattern": text})


def _session_ended() -> RefusedEvent:
    return RefusedEvent(codes.SESSION_ENDED)
