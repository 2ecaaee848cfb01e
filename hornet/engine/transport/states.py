"""The states of an Engine.IO session, and what moves it from one to the next.

    ── GET ────────▶ POLLING ──PROBED──▶ PROBING ──UPGRADED──▶ WEBSOCKET ◀──── WebSocket ──
                        ▲                   │
                        └───────FAILED──────┘

In each of them the session is open and may be sent to. While PROBING, the polling transport is still in
charge: a message goes into the poll that is waiting, and from then on stays in the queue, since the
client finishes its last poll before it says "upgrade". The move to WEBSOCKET writes the queue to the
WebSocket in the same step, so nothing is lost, doubled or overtaken.

ENDED moves an open session to CLOSING, where a polling client can still fetch what it was sent last, and a
WebSocket waits for the client's Close frame; GONE, from any state, to CLOSED. Nothing leads back.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Where a session is."""

    POLLING = 0
    PROBING = 1
    WEBSOCKET = 2
    CLOSING = 3
    CLOSED = 4


class Step(IntEnum):
    """What happened to it."""

    PROBED = 0
    UPGRADED = 1
    FAILED = 2
    ENDED = 3
    GONE = 4


MOVES: dict[tuple[State, Step], State] = {
    (State.POLLING, Step.PROBED): State.PROBING,
    (State.PROBING, Step.UPGRADED): State.WEBSOCKET,
    (State.PROBING, Step.FAILED): State.POLLING,
    (State.POLLING, Step.ENDED): State.CLOSING,
    (State.PROBING, Step.ENDED): State.CLOSING,
    (State.WEBSOCKET, Step.ENDED): State.CLOSING,
    (State.POLLING, Step.GONE): State.CLOSED,
    (State.PROBING, Step.GONE): State.CLOSED,
    (State.WEBSOCKET, Step.GONE): State.CLOSED,
    (State.CLOSING, Step.GONE): State.CLOSED,
}


def is_open(state: State) -> bool:
    """Whether the session may be sent to."""
    return state <= State.WEBSOCKET
