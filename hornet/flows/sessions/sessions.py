"""The sessions of this node: their users, the tokens that they showed, the channels that they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, IntFlag, auto
from typing import Any

from hornet.core.channels import NO_NAMES, Names
from hornet.core.limits import RateLimiter
from hornet.core.messages import Delivery
from hornet.core.sessions import MOVES, AuthState, AuthStep
from hornet.engine import Handshake

session_id: ContextVar[str] = ContextVar("session_id", default="")
"""The id of the session that the running task serves, for the log; empty where there is none."""


class SubscribedBy(IntFlag):
    """The sides that subscribed a session to a channel. It leaves when neither side wants the channel."""

    CLIENT = 1
    """The client, with a token or a signature, or because the channel is public."""
    BACKEND = 2
    """The backend, which subscribed the session's user."""


class Activity(Enum):
    """The activities of a session that have a rate limit."""

    __hash__ = object.__hash__  # there is one of each; Enum's own hash is a call of Python code

    EVENT = auto()
    REFUSED_EVENT = auto()
    """To send an event that :data:`EVENT` has no room for."""
    PUBLISH = auto()
    COMMAND = auto()
    PRESENCE = auto()
    """To ask for the members of a channel."""
    HISTORY = auto()
    """To ask for the past of a channel."""


@dataclass(eq=False, slots=True)
class Session:
    """One connected client, as the flows know it."""

    sid: str
    address: str
    handshake: Handshake
    state: AuthState = AuthState.NEW
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The channels that each of its tokens opened."""
    channels: dict[str, SubscribedBy] = field(default_factory=dict)
    """All channels that it holds."""
    failures: int = 0
    """Failed attempts since the last successful one; authenticators without a limit don't count theirs."""
    user: str | None = None
    """None for a guest."""
    info: Any = None
    """The credential's data about the user, for other clients to see."""
    attributes: Mapping[str, str] | None = None
    """Facts for plug-ins, which no client sees."""
    publish: Names = NO_NAMES
    """Channels that it may publish on."""
    delivery: Delivery = Delivery.MESSAGE
    """The form in which it gets messages."""
    limiters: dict[Activity, RateLimiter] | None = None
    """Made when first needed: most sessions only listen."""
    positions: bool = False
    """The client asked for positions, and so knows notices of gaps."""
    is_warned: bool = False
    """The client was told that its events come too fast, and no event has passed since."""
    end_code: str = ""
    """The code with which Hornet ends the session; empty where it ends otherwise."""
    is_flooding: bool = False
    """It is being closed, since it did not slow down."""

    def move(self, step: AuthStep) -> AuthState:
        """Take ``step``; the table in :mod:`hornet.core.sessions` says where it leads."""
        self.state = MOVES[self.state, step]
        return self.state

    def may(self, activity: Activity, per_s: float, now: float) -> bool:
        """Count one more of ``activity``; False where that would be more than ``per_s`` a second.

        ``now`` is the time of the event loop. Twice ``per_s`` may come at once after a pause.
        """
        limiters = self.limiters
        if limiters is None:
            limiters = self.limiters = {}
        limiter = limiters.get(activity)
        if limiter is None:
            limiter = limiters[activity] = RateLimiter(per_s, now)
        return limiter.offer(per_s, now)


class Sessions:
    """Finds sessions by id, by token and by user."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Session] = {}
        self._by_token: dict[str, Session] = {}
        self._by_user: dict[str, dict[str, Session]] = {}
        self.with_user = 0
        """How many sessions have a user."""

    def __len__(self) -> int:
        return len(self._by_sid)

    def add(self, session: Session) -> None:
        self._by_sid[session.sid] = session

    def get(self, sid: str) -> Session | None:
        return self._by_sid.get(sid)

    def all(self) -> list[Session]:
        return list(self._by_sid.values())

    def remove(self, sid: str) -> Session | None:
        """Forget a session and its tokens; None when it is unknown. Call :meth:`set_user` for its user."""
        session = self._by_sid.pop(sid, None)
        if session is not None:
            self._remove_tokens(session)
        return session

    def forget_tokens(self, session: Session) -> None:
        """Forget which tokens the session showed; the session itself stays."""
        self._remove_tokens(session)
        session.tokens.clear()

    def remember_token(self, session: Session, token: str, channels: tuple[str, ...]) -> None:
        """Remember that ``token`` opened ``channels`` for this session. A token belongs to one session."""
        session.tokens[token] = channels
        self._by_token[token] = session

    def _remove_tokens(self, session: Session) -> None:
        for token in session.tokens:
            self._by_token.pop(token, None)

    def with_tokens(self, tokens: Collection[str]) -> list[Session]:
        """Return the sessions that showed one of ``tokens``, each once."""
        sessions = (self._by_token.get(token) for token in tokens)
        return list(dict.fromkeys(session for session in sessions if session is not None))

    def sids_with_tokens(self, names: Iterable[str]) -> set[str]:
        """Return the ids of the sessions that ``only`` or ``except`` name, by a token or by an id."""
        sessions = (self._by_token.get(name) or self._by_sid.get(name) for name in names)
        return {session.sid for session in sessions if session is not None}

    def set_user(self, session: Session, user: str | None) -> None:
        """Set the user of a session; None makes it a guest's."""
        if session.user is not None:
            self.with_user -= 1
            others = self._by_user[session.user]
            del others[session.sid]
            if not others:
                del self._by_user[session.user]
        session.user = user
        if user is not None:
            self.with_user += 1
            self._by_user.setdefault(user, {})[session.sid] = session

    def of_user(self, user: str) -> list[Session]:
        """Return the sessions of a user on this node."""
        return list(self._by_user.get(user, {}).values())

    @property
    def user_count(self) -> int:
        return len(self._by_user)

    def users(self) -> list[str]:
        """Return the users with a session on this node."""
        return list(self._by_user)
