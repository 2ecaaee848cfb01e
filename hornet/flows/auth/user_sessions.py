"""Sessions of the backend: it registers a user's session id in Redis, and the client shows that id.

Event names and fields are those of socket-push, whose pages work unchanged: ``{"userId", "hash"}`` as event
``message``.
"""

from __future__ import annotations

from hornet.broker.user_sessions import UserSessionStore
from hornet.core import answers, codes
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.jsontext import dump_json
from hornet.core.user_sessions import UserSession, parse_user_session, shows_user_session
from hornet.flows.auth.authenticator import MESSAGE, Answer, Authenticator, Event, Evidence, Source
from hornet.flows.sessions.sessions import Session

NOT_AUTHORIZED = "You're not authorized"


class UserSessionAuthenticator(Authenticator):
    """Takes a user's id with a session id, and looks the session id up in Redis.

    A session id stays valid until the backend removes it or it expires: a reloaded page shows it again.
    """

    def __init__(self, store: UserSessionStore) -> None:
        self._store = store

    def offer(self, evidence: Evidence) -> UserSession | None:
        is_source = evidence.event == MESSAGE or evidence.where is Source.AUTH
        if is_source and shows_user_session(evidence.fields):
            return parse_user_session(evidence.fields)
        return None

    async def check(self, claim: UserSession) -> Grant:
        registered = await self._store.get(claim.user)
        if registered is None or not claim.matches(registered):
            raise answers.refused(codes.INVALID_SESSION)
        return Grant(claim.user)

    def accepted(self, session: Session, claim: UserSession) -> Answer:
        return _message({"auth": f"Authorized as {claim.user}"})

    def refused(self, refused: RefusedCredentials) -> Answer:
        return _message({"error": NOT_AUTHORIZED, "code": refused.code})

    def exhausted(self) -> Answer:
        return _message({"error": NOT_AUTHORIZED, "code": codes.TOO_MANY_ATTEMPTS})


def _message(body: dict[str, str]) -> Event:
    """Return JSON text as event ``message``, whichever delivery the client wants for its messages."""
    return Event(MESSAGE, dump_json(body))
