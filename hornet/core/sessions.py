"""A session's life as a table: what each step does in each state, and what is impossible.

A session is NEW until its first valid credential. While one attempt is being checked it is CHECKING (a
session has one attempt at a time, since events of one client are handled in order). A proof that needs no
waiting leads straight to READY. A refused attempt leads back to NEW, and the client may try again until the
authentication timeout. READY sessions receive messages; a READY session that shows another token stays READY
whatever the answer, until it logs out and is NEW again. CLOSED is final, and may arrive in the middle of a
check: the answer that comes afterwards must then change nothing.
"""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    __hash__ = object.__hash__  # there is one of each; Enum's own hash is a call of Python code

    NEW = auto()
    CHECKING = auto()
    READY = auto()
    CLOSED = auto()


class Step(Enum):
    __hash__ = object.__hash__

    ATTEMPTED = auto()
    REFUSED = auto()
    GRANTED = auto()
    TIMED_OUT = auto()
    LOGGED_OUT = auto()
    GONE = auto()


MOVES: dict[tuple[State, Step], State] = {
    (State.NEW, Step.ATTEMPTED): State.CHECKING,
    (State.NEW, Step.GRANTED): State.READY,
    (State.NEW, Step.TIMED_OUT): State.CLOSED,
    (State.NEW, Step.GONE): State.CLOSED,
    (State.CHECKING, Step.REFUSED): State.NEW,
    (State.CHECKING, Step.GRANTED): State.READY,
    (State.CHECKING, Step.TIMED_OUT): State.CLOSED,
    (State.CHECKING, Step.GONE): State.CLOSED,
    (State.READY, Step.ATTEMPTED): State.READY,
    (State.READY, Step.REFUSED): State.READY,
    (State.READY, Step.GRANTED): State.READY,
    (State.READY, Step.TIMED_OUT): State.READY,
    (State.READY, Step.LOGGED_OUT): State.NEW,
    (State.READY, Step.GONE): State.CLOSED,
    (State.CLOSED, Step.REFUSED): State.CLOSED,
    (State.CLOSED, Step.GRANTED): State.CLOSED,
    (State.CLOSED, Step.TIMED_OUT): State.CLOSED,
    (State.CLOSED, Step.GONE): State.CLOSED,
}
