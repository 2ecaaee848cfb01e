"""The guard before the hooks: each session's events within its share, and each log line with its session.

So a client in a loop harms nobody but itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from hornet.core import answers
from hornet.core.limits import TOO_MANY_EVENTS, RateLimiter
from hornet.engine import Engine, Handshake, Hooks
from hornet.flows.sessions.context import session_id
from hornet.flows.settings import LimitSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class _Pace:
    """How fast one session may go on: ``events`` that pass, and beyond them ``refusals`` that are borne."""

    __slots__ = ("events", "is_over", "is_told", "refusals")

    def __init__(self, per_s: float, now: float) -> None:
        self.events = RateLimiter(per_s, now)
        self.refusals: RateLimiter | None = None
        self.is_told = False
        self.is_over = False


class LimitedHooks:
    """The hooks of a node, with at most ``max_event_rate`` of each session let through to them.

    An event too many is refused, by its acknowledgement and, once until another passes, by an error
    message. A client that goes on at twice the rate, whatever it is told, is disconnected for good.
    """

    def __init__(self, hooks: Hooks, engine: Engine, settings: LimitSettings, metrics: Metrics) -> None:
        self._hooks = hooks
        self._engine = engine
        self._metrics = metrics
        self._paces: dict[str, _Pace] = {}
        self.settings = settings
        """May be replaced at any time."""

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        before = session_id.set(sid)
        try:
            waits = self._hooks.on_connect(sid, handshake)
        finally:
            session_id.reset(before)  # who called this goes on with other sessions
        return None if waits is None else self._wait(sid, waits)

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        session_id.set(sid)
        self._metrics.events.inc()
        per_s, now = self.settings.max_event_rate, asyncio.get_running_loop().time()
        pace = self._paces.get(sid)
        if pace is None:
            pace = self._paces[sid] = _Pace(per_s, now)
        if pace.events.offer(per_s, now):
            pace.is_told = False
            return await self._hooks.on_event(sid, event, args)
        return await self._refuse(sid, pace, per_s, now)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        session_id.set(sid)
        self._paces.pop(sid, None)
        await self._hooks.on_disconnect(sid, reason)

    async def _wait(self, sid: str, greeting: Awaitable[object]) -> None:
        session_id.set(sid)
        await greeting

    async def _refuse(self, sid: str, pace: _Pace, per_s: float, now: float) -> dict[str, object]:
        self._metrics.refused.labels(TOO_MANY_EVENTS).inc()
        if not pace.is_told:
            pace.is_told = True
            self._engine.tell(sid, answers.error(TOO_MANY_EVENTS))
        if pace.refusals is None:
            pace.refusals = RateLimiter(per_s, now)
        if not pace.is_over and not pace.refusals.offer(per_s, now):
            pace.is_over = True  # what it sent before it learns of that is still to come
            log.warning("Session %s is closed: it sends more than twice %g events a second", sid, per_s)
            self._engine.disconnect(sid)
        return {"error": {"code": TOO_MANY_EVENTS, "message": answers.EXPLANATIONS[TOO_MANY_EVENTS]}}
