"""What happens on this node, for whoever in this process wants to know: other flows, and plug-ins.

A receiver is called at once, in the order of connection. It must not block; one that has more to do starts
a task. One that fails is logged, and harms nobody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

P = ParamSpec("P")


class Signal(Generic[P]):
    """Something that may happen any number of times."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._receivers: list[Callable[P, object]] = []

    def connect(self, receiver: Callable[P, object]) -> Callable[P, object]:
        """Call ``receiver`` from now on; returns it, so that this can be used as a decorator."""
        self._receivers.append(receiver)
        return receiver

    def disconnect(self, receiver: Callable[P, object]) -> None:
        """Call it no more.

        Raises:
            ValueError: it is not connected.
        """
        self._receivers.remove(receiver)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell all receivers."""
        for receiver in tuple(self._receivers):
            try:
                receiver(*args, **kwargs)
            except Exception:
                log.exception("A receiver of %r failed", self.name)


class Signals:
    """The signals of one node. ``channel`` is a name; a session's user and channels are up to date."""

    def __init__(self) -> None:
        self.session_opened: Signal[[Session]] = Signal("session_opened")
        self.session_closed: Signal[[Session, str]] = Signal("session_closed")
        """With the reason. The session has left its channels already, but its user is still behind it."""
        self.logged_out: Signal[[Session]] = Signal("logged_out")
        """The session proved something once, and is unauthenticated again. The same holds of its channels and
        its user."""
        self.joined: Signal[[Session, str]] = Signal("joined")
        """The session entered the channel: what is published from now on reaches it."""
        self.left: Signal[[Session, str]] = Signal("left")
        """The session is out of the channel, also because it ended."""
        self.user_online: Signal[[Session]] = Signal("user_online")
        """With the session, on this node, by which its user came online in the whole cluster."""
        self.user_session: Signal[[Session, int]] = Signal("user_session")
        """A further session, on this node, of a user who has so many now in the whole cluster."""
        self.user_gone: Signal[[str]] = Signal("user_gone")
        """The user's grace period is over. Sent on one node of the cluster, whichever found it first."""
