"""The sessions of this node: who is behind them, which tokens they showed and which channels they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hornet.core.sessions import MOVES, AuthState, AuthStep

if TYPE_CHECKING:
    from hornet.engine import Handshake
    from hornet.flows.channels.subscriptions import SubscribedBy


@dataclass(eq=False, slots=True)
class Session:
    """One connected client.

    ``tokens`` has the channels that each of its tokens opened; ``channels`` all that it holds, and for
    whose sake. ``failures`` are its failed attempts since the last good one, of the ways that count them.
    ``user`` is None for a guest. ``publish`` are the channels it may publish on; ``*`` in one
    stands for any run of characters.
    """

    sid: str
    address: str
    handshake: Handshake
    state: AuthState = AuthState.NEW
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    channels: dict[str, SubscribedBy] = field(default_factory=dict)
    failures: int = 0
    user: str | None = None
    info: Any = None
    attributes: Mapping[str, str] | None = None
    publish: tuple[str, ...] = ()

    def move(self, step: AuthStep) -> AuthState:
        """Take ``step``; the table in :mod:`hornet.core.sessions` says where it leads."""
        self.state = MOVES[self.state, step]
        return self.state


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
        """Forget a session and its tokens; None when it is unknown. Its user is the users' business."""
        session = self._by_sid.pop(sid, None)
        if session is not None:
            self._unlist_tokens(session)
        return session

    def forget_tokens(self, session: Session) -> None:
        """The session has nothing to do any more with the tokens that it showed."""
        self._unlist_tokens(session)
        session.tokens.clear()

    def grant(self, session: Session, token: str, channels: tuple[str, ...]) -> None:
        """Remember that ``token`` opened ``channels`` for this session. A token is one session's only."""
        session.tokens[token] = channels
        self._by_token[token] = session

    def _unlist_tokens(self, session: Session) -> None:
        for token in session.tokens:
            self._by_token.pop(token, None)

    def with_tokens(self, tokens: Collection[str]) -> list[Session]:
        """The sessions that were let in by one of ``tokens``, each once."""
        found = (self._by_token.get(token) for token in tokens)
        return list(dict.fromkeys(session for session in found if session is not None))

    def sids_with_tokens(self, names: Iterable[str]) -> set[str]:
        """The sessions that ``only`` or ``except`` name, each by a token of its own or by its id."""
        found = (self._by_token.get(name) or self._by_sid.get(name) for name in names)
        return {session.sid for session in found if session is not None}

    def set_user(self, session: Session, user: str | None) -> None:
        """Say who is behind a session; None takes that back."""
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
        """The sessions of a user on this node."""
        return list(self._by_user.get(user, {}).values())

    @property
    def user_count(self) -> int:
        return len(self._by_user)

    def users(self) -> list[str]:
        """The users with a session on this node."""
        return list(self._by_user)
