"""The states of an Engine.IO session and of its WebSocket, and the steps from one to the next.

A session:

                ┌─POLLS─────────▶ POLLING ──PROBED──▶ PROBING ──UPGRADED──▶ WEBSOCKET ◀──┐
    OPENING ────┤                    ▲                   │                               │
                │                    └───PROBE_FAILED────┘                               │
                └────────────────────────────────CARRIED─────────────────────────────────┘

In each of these states the session is open and may be sent to. OPENING lasts while its first packets are
collected. While PROBING, the polling transport is still in charge: a message goes into the poll that waits,
and from then on stays in the queue, since the client finishes its last poll before it sends "upgrade". The
step to WEBSOCKET writes the queue to the WebSocket, so no message is lost, doubled or overtaken (Engine.IO
protocol, "Upgrade", https://github.com/socketio/engine.io-protocol).

Some clients send "upgrade" without a probe: ElephantIO, SocketIOClient for .NET. UPGRADED then leads from
POLLING to WEBSOCKET, as in the Node server.

    POLLING, WEBSOCKET ──ENDED──▶ CLOSING ───────────────────FORGOTTEN──▶ CLOSED
                                     ▲                                      ▲
                                PROBE_FAILED                                │
                                     │                                      │
    PROBING ──────────────ENDED──▶ CLOSING_PROBED ───────────FORGOTTEN──────┘

A session that is CLOSING is no longer open, but a polling client can still fetch its last packets. In
CLOSING_PROBED the client may have stopped polling already, and then fetches them with the WebSocket of its
probe. No step leads back to an open state.

A WebSocket:

    OPENED ──PROBED──▶ PROBED ──CARRIES──▶ ACTIVE ──CLOSES──▶ CLOSING
       └──────────────CARRIES───────────────▲

CLOSES leads to CLOSING from every phase.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """The state of a session."""

    __hash__ = int.__hash__  # an enum's own is a Python function, which each look-up in a table would call

    OPENING = 0
    POLLING = 1
    PROBING = 2
    WEBSOCKET = 3
    CLOSING = 4
    CLOSING_PROBED = 5
    CLOSED = 6


class Step(IntEnum):
    """An event that moves a session to another state."""

    __hash__ = int.__hash__

    POLLS = 0
    CARRIED = 1
    PROBED = 2
    UPGRADED = 3
    PROBE_FAILED = 4
    ENDED = 5
    FORGOTTEN = 6


MOVES: dict[tuple[State, Step], State] = {
    (State.OPENING, Step.POLLS): State.POLLING,
    (State.OPENING, Step.CARRIED): State.WEBSOCKET,
    (State.POLLING, Step.PROBED): State.PROBING,
    (State.POLLING, Step.UPGRADED): State.WEBSOCKET,
    (State.PROBING, Step.UPGRADED): State.WEBSOCKET,
    (State.PROBING, Step.PROBE_FAILED): State.POLLING,
    (State.OPENING, Step.ENDED): State.CLOSING,
    (State.POLLING, Step.ENDED): State.CLOSING,
    (State.PROBING, Step.ENDED): State.CLOSING_PROBED,
    (State.WEBSOCKET, Step.ENDED): State.CLOSING,
    (State.CLOSING_PROBED, Step.PROBE_FAILED): State.CLOSING,
    (State.CLOSING, Step.FORGOTTEN): State.CLOSED,
    (State.CLOSING_PROBED, Step.FORGOTTEN): State.CLOSED,
}


def is_open(state: State) -> bool:
    """Return whether the session may be sent to."""
    return state <= State.WEBSOCKET


class Phase(IntEnum):
    """The phase of a WebSocket."""

    __hash__ = int.__hash__

    OPENED = 0
    """It waits for the probe, or for the session that it carries from the start."""
    PROBED = 1
    """It waits until the client has stopped polling."""
    ACTIVE = 2
    """It carries the session."""
    CLOSING = 3
    """It sent a Close frame, or its connection is about to end."""


class PhaseStep(IntEnum):
    """An event that moves a WebSocket to another phase."""

    __hash__ = int.__hash__

    PROBED = 0
    CARRIES = 1
    CLOSES = 2


PHASE_MOVES: dict[tuple[Phase, PhaseStep], Phase] = {
    (Phase.OPENED, PhaseStep.PROBED): Phase.PROBED,
    (Phase.OPENED, PhaseStep.CARRIES): Phase.ACTIVE,
    (Phase.PROBED, PhaseStep.CARRIES): Phase.ACTIVE,
    (Phase.OPENED, PhaseStep.CLOSES): Phase.CLOSING,
    (Phase.PROBED, PhaseStep.CLOSES): Phase.CLOSING,
    (Phase.ACTIVE, PhaseStep.CLOSES): Phase.CLOSING,
    (Phase.CLOSING, PhaseStep.CLOSES): Phase.CLOSING,
}
