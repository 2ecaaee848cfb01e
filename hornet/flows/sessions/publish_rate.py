"""The rate at which a session publishes: messages on channels, and events of its own."""

from __future__ import annotations

import asyncio

from hornet.core import codes
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Activity, Session


def check_publish_rate(session: Session, per_s: float) -> None:
    """Count one more publish, ahead of all that costs time; so an attempt that is refused counts, too.

    Raises:
        RefusedEvent: ``RATE_LIMITED``.
    """
    if not session.may(Activity.PUBLISH, per_s, asyncio.get_running_loop().time()):
        raise RefusedEvent(codes.RATE_LIMITED, f"A session publishes {per_s:g} messages a second at most")
