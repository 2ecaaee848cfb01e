"""Users: who is behind the sessions of this node."""

from __future__ import annotations

from hornet.core.grants import Grant
from hornet.flows.sessions import Session, Sessions


class Users:
    """Gives sessions their user, and takes it back."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def arrive(self, session: Session, grant: Grant) -> None:
        """The session proved to be ``grant.user``'s."""
        self._sessions.set_user(session, grant.user)
        session.info = grant.info

    def depart(self, session: Session) -> None:
        """The session ended, or its user logged out of it."""
        self._sessions.set_user(session, None)
        session.info = None
