"""The signals of a node, for the other flows, for plug-ins, and for backends.

A signal calls its receivers at once, in the order in which they were connected. A receiver must not block: if
it has more to do, it starts a task. A receiver that fails is logged, and the next is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, ParamSpec

from hornet.broker.events import EventPublisher
from hornet.broker.keys import EVENTS_SESSION_CLOSED, EVENTS_SESSION_OPENED, EVENTS_USER_AUTHENTICATED
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

P = ParamSpec("P")


class Signal(Generic[P]):
    """An event that may occur any number of times, and its receivers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._receivers: list[Callable[P, object]] = []

    def connect(self, receiver: Callable[P, object]) -> Callable[P, object]:
        """Call ``receiver`` from now on. Returns it, so that this can be used as a decorator."""
        self._receivers.append(receiver)
        return receiver

    def disconnect(self, receiver: Callable[P, object]) -> None:
        """Stop calling ``receiver``.

        Raises:
            ValueError: ``receiver`` is not connected.
        """
        self._receivers.remove(receiver)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call all receivers."""
        for receiver in tuple(self._receivers):
            try:
                receiver(*args, **kwargs)
            except Exception:
                log.exception("A receiver of %r failed", self.name)


class Signals:
    """The signals of one node. Channels come by name. A session's user and channels are up to date."""

    def __init__(self) -> None:
        self.session_opened: Signal[[Session]] = Signal("session_opened")
        self.session_returned: Signal[[Session]] = Signal("session_returned")
        """A session came back whose end was sent as ``session_closed``. It is authenticated, as it was."""
        self.session_lost: Signal[[Session]] = Signal("session_lost")
        """The session may come back, or did so elsewhere. It leaves its channels after this."""
        self.session_restored: Signal[[Session, str, str]] = Signal("session_restored")
        """A session came back, and is in its channels; with its former node, and its id there."""
        self.session_closed: Signal[[Session, str]] = Signal("session_closed")
        """With the reason. The session has left its channels already, but still has its user."""
        self.logged_out: Signal[[Session]] = Signal("logged_out")
        """The session is unauthenticated again. It has left its channels, but still has its user."""
        self.joined: Signal[[Session, str]] = Signal("joined")
        """The session entered the channel, and gets the messages that are published from now on."""
        self.left: Signal[[Session, str]] = Signal("left")
        """The session left the channel, or ended."""
        self.user_online: Signal[[Session]] = Signal("user_online")
        """The user of this session came online: it is the user's first session in the whole cluster."""
        self.user_session: Signal[[Session, int]] = Signal("user_session")
        """A further session of a user, on this node, with the number of its sessions in the whole cluster."""
        self.user_authenticated: Signal[[Session, bool]] = Signal("user_authenticated")
        """An attempt to authenticate has ended, and the client was answered; True where it succeeded.

        A guest's token succeeds as well: the session then has no user.
        """
        self.redis_connected: Signal[[]] = Signal("redis_connected")
        """Redis sends every topic again, or for the first time. Messages since the loss were missed."""
        self.redis_lost: Signal[[]] = Signal("redis_lost")
        """The connection on which Redis sends messages was lost. Hornet tries again and again."""
        self.client_event: Signal[[Session, str, Sequence[object]]] = Signal("client_event")
        """An authenticated session emitted an event of ``client_events``, with these arguments."""
        self.user_gone: Signal[[str]] = Signal("user_gone")
        """The user's grace period is over. Sent on one node of the cluster: the first that finds out."""


class SessionEvents:
    """Tells backends of sessions: that one is opened or closed, or that its client tried to authenticate."""

    def __init__(self, events: EventPublisher, node: str) -> None:
        self._events = events
        self._node = node

    def on_session_opened(self, session: Session) -> None:
        self._events.tell(
            EVENTS_SESSION_OPENED, {"session": session.sid, "node": self._node, "address": session.address}
        )

    def on_session_closed(self, session: Session, reason: str) -> None:
        self._events.tell(
            EVENTS_SESSION_CLOSED,
            {"session": session.sid, "node": self._node, "user": session.user, "reason": reason},
        )

    def on_user_authenticated(self, session: Session, is_success: bool) -> None:
        user = session.user if is_success else None
        self._events.tell(
            EVENTS_USER_AUTHENTICATED, {"session": session.sid, "user": user, "success": is_success}
        )
