"""A graceful stop: all clients are told, then disconnected one after the other over the drain window.

Until it is over, the node's port stays open. Clients that poll need it to hear the announcement and the close
packet, since a balancer may open a connection for each request; and probes learn that the node is stopping.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from hornet.core import answers
from hornet.engine import Engine, PreparedMessage
from hornet.flows.recovery.handover import Handover
from hornet.flows.sessions.sessions import Session, Sessions

log = logging.getLogger(__name__)

SHUTDOWN_EVENT = "hermes:shutdown"
STEPS_PER_S = 20
"""How finely the closing is spread: reconnecting clients arrive in groups of at most a twentieth a second."""

LINGER_S = 2.0
"""How much of the drain window is left to the last clients that can come back: they reconnect within that
time, and their new nodes then ask this one for what they missed. It is at most half of the window."""

FETCH_S = 1.0
"""How long the last clients that poll have to fetch their last packets. Such a client polls again at once."""


async def drain(engine: Engine, sessions: Sessions, handover: Handover, window_s: float) -> None:
    """Close all sessions, spread over ``window_s``. Their clients reconnect by themselves, to other nodes."""
    until = asyncio.get_running_loop().time() + window_s
    engine.stop_accepting()  # a client may still have another connection open to this node
    leaving = sessions.all()
    can_return = [session.sid for session in leaving if _can_return(session)]
    handover.expect(can_return)
    if can_return:
        window_s -= min(LINGER_S, window_s / 2)
    message = PreparedMessage(answers.SHUTDOWN)
    for session in leaving:
        engine.send(session.sid, SHUTDOWN_EVENT, {})
        engine.tell(session.sid, message)
    if leaving:
        log.info("Letting %d sessions go over %.1f s", len(leaving), window_s)
    steps = max(1, min(len(leaving), int(window_s * STEPS_PER_S)))
    for step in range(steps):
        for session in leaving[step::steps]:
            engine.close(session.sid)
        if any(sessions.get(session.sid) for session in leaving):
            await asyncio.sleep(window_s / steps)
    for _ in range(int(FETCH_S * STEPS_PER_S)):
        if not engine.unfetched:
            break
        await asyncio.sleep(1 / STEPS_PER_S)
    if can_return:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await handover.wait_taken()


def _can_return(session: Session) -> bool:
    return session.positions or bool(session.handshake.pid)
