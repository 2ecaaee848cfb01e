"""Sessions of the backend: it registers a user's session id in Redis, and the client shows that id.

Event names and fields are those of socket-push: ``{"userId", "hash"}`` as event ``message``, which Hornet
answers by event ``message``.
"""

from __future__ import annotations

from hornet.broker.user_sessions import UserSessionStore
from hornet.core import answers, codes
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.user_sessions import (
    UserSession,
    UserSessionAnswer,
    parse_user_session,
    resembles_user_session,
    shows_user_session,
)
from hornet.flows.auth.authenticator import MESSAGE, Answer, Authenticator, Event, Evidence, Source
from hornet.flows.sessions.sessions import Session

NOT_AUTHORIZED = "You're not authorized"


class UserSessionAuthenticator(Authenticator):
    """Takes a user's id with a session id, as an object, and looks the session id up in Redis.

    A session id stays valid until the backend removes it or it expires: a reloaded page shows it again. The
    answer is an object, too.
    """

    def __init__(self, store: UserSessionStore) -> None:
        self._store = store

    def offer(self, evidence: Evidence) -> UserSession | None:
        if evidence.where is Source.REQUEST or isinstance(evidence.value, str):
            return None
        return self._find(evidence)

    async def check(self, claim: UserSession) -> Grant:
        registered = await self._store.get(claim.user)
        if registered is None or not claim.matches(registered):
            raise answers.refused(codes.INVALID_SESSION)
        return Grant(claim.user)

    def accepted(self, session: Session, claim: UserSession) -> Answer:
        return self._answer({"auth": f"Authorized as {claim.user}"})

    def refused(self, refused: RefusedCredentials) -> Answer:
        return self._answer({"error": NOT_AUTHORIZED, "code": refused.code})

    def exhausted(self) -> Answer:
        return self._answer({"error": NOT_AUTHORIZED, "code": codes.TOO_MANY_ATTEMPTS})

    def _find(self, evidence: Evidence) -> UserSession | None:
        fields = evidence.fields
        if evidence.event == MESSAGE:
            is_shown = resembles_user_session(fields)
        else:
            is_shown = evidence.where is Source.AUTH and shows_user_session(fields)
        return parse_user_session(fields) if is_shown else None

    def _answer(self, body: dict[str, str]) -> Answer:
        return Event(MESSAGE, body)


class UserSessionTextAuthenticator(UserSessionAuthenticator):
    """Takes the same as JSON text, and answers by JSON text unless the client chose another delivery."""

    def offer(self, evidence: Evidence) -> UserSession | None:
        if evidence.event != MESSAGE or not isinstance(evidence.value, str):
            return None
        return self._find(evidence)

    def _answer(self, body: dict[str, str]) -> Answer:
        return UserSessionAnswer(body)
