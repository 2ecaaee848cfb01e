"""A graceful stop: clients are told, then let go one after the other over the drain window."""

from __future__ import annotations

import asyncio
import logging

from hornet.core import answers
from hornet.engine import Engine
from hornet.flows.sessions.sessions import Sessions

log = logging.getLogger(__name__)

SHUTDOWN_EVENT = "hermes:shutdown"
STEPS_PER_S = 20


async def drain(engine: Engine, sessions: Sessions, window_s: float) -> None:
    """Return when every session is gone. Their clients reconnect by themselves."""
    engine.stop_accepting()  # a client that is let go may still have a connection to this node
    leaving = sessions.all()
    for session in leaving:
        engine.send(session.sid, SHUTDOWN_EVENT, {})
        engine.tell(session.sid, answers.SHUTDOWN)
    if leaving:
        log.info("Letting %d sessions go over %.1f s", len(leaving), window_s)
    steps = max(1, min(len(leaving), int(window_s * STEPS_PER_S)))
    for step in range(steps):
        for session in leaving[step::steps]:
            engine.close(session.sid)
        if any(sessions.get(session.sid) for session in leaving):
            await asyncio.sleep(window_s / steps)
