"""Tells backends of each session that is opened or closed, where the operator wants that."""

from __future__ import annotations

from hornet.broker.events import EventPublisher
from hornet.broker.keys import EVENTS_SESSION_CLOSED, EVENTS_SESSION_OPENED
from hornet.flows.sessions.sessions import Session
from hornet.flows.sessions.signals import Signals


class SessionEvents:
    """Publishes on ``hornet:events:session:*`` what the signals of the node ``node`` tell."""

    def __init__(self, events: EventPublisher, signals: Signals, node: str) -> None:
        self._events = events
        self._node = node
        signals.session_opened.connect(self._opened)
        signals.session_closed.connect(self._closed)

    def _opened(self, session: Session) -> None:
        self._events.tell(
            EVENTS_SESSION_OPENED, {"session": session.sid, "node": self._node, "address": session.address}
        )

    def _closed(self, session: Session, reason: str) -> None:
        self._events.tell(
            EVENTS_SESSION_CLOSED,
            {"session": session.sid, "node": self._node, "user": session.user, "reason": reason},
        )
