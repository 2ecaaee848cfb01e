"""The authentication of a session as a table: which state each step leads to, and which steps are impossible.

A session is NEW until its first valid credential. While an attempt is being checked, the session is CHECKING
(it has one attempt at a time, since events of a client are handled in order). A credential that can be
checked at once leads straight to READY. A refused attempt leads back to NEW, and the client may try again
until the authentication timeout. READY sessions receive messages. A READY session that shows another token
stays READY after any answer, until it logs out and is NEW again. CLOSED is final, and may come in the middle
of a check: the answer of the check must then change nothing.
"""

from __future__ import annotations

from enum import Enum, auto


class AuthState(Enum):
    __hash__ = object.__hash__  # its members are singletons; Enum's own hash is a call of Python code

    NEW = auto()
    CHECKING = auto()
    READY = auto()
    CLOSED = auto()


class AuthStep(Enum):
    __hash__ = object.__hash__

    ATTEMPTED = auto()
    REFUSED = auto()
    GRANTED = auto()
    TIMED_OUT = auto()
    LOGGED_OUT = auto()
    GONE = auto()


MOVES: dict[tuple[AuthState, AuthStep], AuthState] = {
    (AuthState.NEW, AuthStep.ATTEMPTED): AuthState.CHECKING,
    (AuthState.NEW, AuthStep.GRANTED): AuthState.READY,
    (AuthState.NEW, AuthStep.TIMED_OUT): AuthState.CLOSED,
    (AuthState.NEW, AuthStep.GONE): AuthState.CLOSED,
    (AuthState.CHECKING, AuthStep.REFUSED): AuthState.NEW,
    (AuthState.CHECKING, AuthStep.GRANTED): AuthState.READY,
    (AuthState.CHECKING, AuthStep.TIMED_OUT): AuthState.CLOSED,
    (AuthState.CHECKING, AuthStep.GONE): AuthState.CLOSED,
    (AuthState.READY, AuthStep.ATTEMPTED): AuthState.READY,
    (AuthState.READY, AuthStep.REFUSED): AuthState.READY,
    (AuthState.READY, AuthStep.GRANTED): AuthState.READY,
    (AuthState.READY, AuthStep.TIMED_OUT): AuthState.READY,
    (AuthState.READY, AuthStep.LOGGED_OUT): AuthState.NEW,
    (AuthState.READY, AuthStep.GONE): AuthState.CLOSED,
    (AuthState.CLOSED, AuthStep.REFUSED): AuthState.CLOSED,
    (AuthState.CLOSED, AuthStep.GRANTED): AuthState.CLOSED,
    (AuthState.CLOSED, AuthStep.TIMED_OUT): AuthState.CLOSED,
    (AuthState.CLOSED, AuthStep.GONE): AuthState.CLOSED,
}
