"""What the engine calls: a session's beginning, its events, and its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence

from hornet.core.sessions import AuthStep
from hornet.engine import Handshake
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.sessions.router import Router
from hornet.flows.sessions.sessions import Session, Sessions
from hornet.flows.sessions.signals import Signals
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class SessionHooks:
    """Knows in which order a session's beginning and end concern the other flows."""

    def __init__(
        self,
        sessions: Sessions,
        admission: Admission,
        router: Router,
        subscriptions: Subscriptions,
        users: Users,
        signals: Signals,
        metrics: Metrics,
    ) -> None:
        self._sessions = sessions
        self._admission = admission
        self._router = router
        self._subscriptions = subscriptions
        self._users = users
        self._signals = signals
        self._metrics = metrics

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """A session like any other from here on, but with nothing granted to it yet."""
        session = Session(sid, handshake.address, handshake)
        self._sessions.add(session)
        self._metrics.sessions_opened.inc()
        log.info("Session %s opened from %s", sid, handshake.address)
        self._signals.session_opened.send(session)
        return self._admission.begin(session)

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        session = self._sessions.get(sid)
        return None if session is None else await self._router.handle(session, event, args)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Leave the channels, release what was held, tell the backend."""
        session = self._sessions.remove(sid)
        if session is None:
            return
        session.move(AuthStep.GONE)
        self._subscriptions.leave_all(session)
        self._admission.end(session)
        log.info("Session %s closed: %s", sid, reason)
        self._signals.session_closed.send(session, reason)
        self._users.depart(session)
