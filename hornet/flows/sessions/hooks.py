"""The hooks that the engine calls when a session begins, sends an event, or ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence

from hornet.core import answers, codes
from hornet.core.limits import BURST_S
from hornet.core.sessions import AuthStep
from hornet.engine import Engine, FollowedAnswer, Handshake, RestoredSession, SharedAnswer
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.recovery.records import SessionRecords
from hornet.flows.recovery.recovery import Recovery
from hornet.flows.sessions.router import Router
from hornet.flows.sessions.session_log import SessionLog
from hornet.flows.sessions.sessions import Activity, Session, Sessions, session_id
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import LimitSettings
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

PATIENCE = 5
"""How many times the rate of events may be refused before a session is closed. A stock client that subscribes
to several hundred channels as it loads is told, and goes on."""


class SessionHooks:
    """Calls the flows in the right order when a session begins, sends an event, or ends.

    At most ``max_event_rate`` events a second of each session reach a flow, so a client in a loop harms only
    itself. An event too many is refused: by its acknowledgement, and by an error message, which is sent once
    until another event passes. A client that goes on at :data:`PATIENCE` times the rate beyond that is
    disconnected and told to stay away.

    Log lines of the flows meanwhile carry the session's id.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        admission: Admission,
        router: Router,
        subscriptions: Subscriptions,
        users: Users,
        signals: Signals,
        metrics: Metrics,
        session_log: SessionLog,
        limits: LimitSettings,
        records: SessionRecords,
        recovery: Recovery,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._admission = admission
        self._router = router
        self._subscriptions = subscriptions
        self._users = users
        self._signals = signals
        self._metrics = metrics
        self._session_log = session_log
        self._limits = limits
        self._records = records
        self._recovery = recovery

    def configure(self, limits: LimitSettings) -> None:
        """Follow ``limits`` from now on, for sessions that are there as well."""
        self._limits = limits

    async def on_recover(self, handshake: Handshake, pid: str, offset: str) -> RestoredSession | None:
        """Find the session of a client that came back."""
        return await self._recovery.on_recover(pid, offset)

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """Add a session with nothing granted to it yet, and check the credentials of its handshake."""
        before = session_id.set(sid)
        try:
            session = Session(sid, handshake.address, handshake)
            self._sessions.add(session)
            self._records.open(session)
            if session.positions:
                self._engine.set_positions(sid, True)
            self._metrics.sessions_opened.inc()
            self._session_log.opened(session)
            if not self._recovery.is_same(session):
                self._signals.session_opened.send(session)
            attempt = self._recovery.on_connect(session) or self._admission.begin(session)
        finally:
            session_id.reset(before)  # the engine serves other sessions in the same context
        return None if attempt is None else self._finish_connecting(sid, attempt)

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """Hand the event to the router; return the answer to the event's acknowledgement."""
        session_id.set(sid)
        self._metrics.events.inc()
        session = self._sessions.get(sid)
        if session is None:
            return None
        per_s, now = self._limits.max_event_rate, asyncio.get_running_loop().time()
        if session.may(Activity.EVENT, per_s, now):
            session.is_warned = False
            answer = await self._router.handle(session, event, args)
            if isinstance(answer, FollowedAnswer):  # it must not wait, and its record is written
                return answer
            await self._records.settle(session, event)
            return answer.latest() if isinstance(answer, SharedAnswer) else answer
        return self._refuse(session, per_s, now)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Take the session out of its channels and from its user, and tell the backend."""
        session_id.set(sid)
        session = self._sessions.remove(sid)
        if session is None:
            return
        session.move(AuthStep.GONE)
        reason = session.end_code or reason
        self._recovery.on_disconnect(session, reason)
        self._subscriptions.leave_all(session)
        self._admission.end(session)
        self._session_log.closed(session, reason)
        self._signals.session_closed.send(session, reason)
        self._users.depart(session)

    async def _finish_connecting(self, sid: str, attempt: Awaitable[object]) -> None:
        session_id.set(sid)  # this runs in a task of its own
        await attempt

    def _refuse(self, session: Session, per_s: float, now: float) -> dict[str, object]:
        self._metrics.refused.labels(codes.TOO_MANY_EVENTS).inc()
        if not session.is_warned:
            session.is_warned = True
            self._engine.tell(session.sid, answers.error(codes.TOO_MANY_EVENTS))
        if not session.is_flooding and not session.may(Activity.REFUSED_EVENT, PATIENCE * per_s, now):
            session.end_code = codes.TOO_MANY_EVENTS
            session.is_flooding = True  # events that the client sent before it is closed still arrive
            log.warning(
                "Session %s is closed: it sends more than %g events a second, and %g may come at once",
                session.sid,
                (1 + PATIENCE) * per_s,
                (1 + PATIENCE) * BURST_S * per_s,
            )
            self._engine.disconnect(session.sid)
        return answers.error_acknowledgement(codes.TOO_MANY_EVENTS)
