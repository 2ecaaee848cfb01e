"""The sessions of this node: which tokens they showed and which channels they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hornet.core.sessions import MOVES, State, Step


@dataclass(eq=False, slots=True)
class Session:
    """One connected client. ``grants`` has the channels that each of its tokens opened."""

    sid: str
    address: str
    state: State = State.NEW
    grants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    channels: set[str] = field(default_factory=set)
    attempting: str | None = None

    def move(self, step: Step) -> State:
        """Take ``step``; the table in :mod:`hornet.core.sessions` says where it leads."""
        self.state = MOVES[self.state, step]
        return self.state


class Sessions:
    """Finds sessions by id and by token."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Session] = {}
        self._by_token: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def add(self, session: Session) -> None:
        self._by_sid[session.sid] = session

    def get(self, sid: str) -> Session | None:
        return self._by_sid.get(sid)

    def all(self) -> list[Session]:
        return list(self._by_sid.values())

    def remove(self, sid: str) -> Session | None:
        """Forget a session and its tokens; None when it is unknown."""
        session = self._by_sid.pop(sid, None)
        if session is not None:
            for token in session.grants:
                self._by_token.pop(token, None)
        return session

    def grant(self, session: Session, token: str, channels: tuple[str, ...]) -> None:
        """Remember that ``token`` opened ``channels`` for this session. A token is one session's only."""
        session.grants[token] = channels
        self._by_token[token] = session

    def with_tokens(self, tokens: Collection[str]) -> list[Session]:
        """The sessions that were let in by one of ``tokens``, each once."""
        found = (self._by_token.get(token) for token in tokens)
        return list(dict.fromkeys(session for session in found if session is not None))

    def sids_with_tokens(self, tokens: Iterable[str]) -> set[str]:
        return {session.sid for session in (self._by_token.get(token) for token in tokens) if session}
