"""Sessions of the backend: it registers a user's session id in Redis, and who shows that id is the user.

The words are those of socket-push, whose pages work unchanged: ``{"userId", "hash"}`` as ``message``.
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
    """An id is good until the backend takes it back or it expires: a page that is reloaded shows it again."""

    def __init__(self, store: UserSessionStore) -> None:
        self._store = store

    def offer(self, shown: Evidence) -> UserSession | None:
        is_asked = shown.event == MESSAGE or shown.where is Source.AUTH
        if is_asked and shows_user_session(shown.fields):
            return parse_user_session(shown.fields)
        return None

    async def check(self, claim: UserSession) -> Grant:
        registered = await self._store.get(claim.user)
        if registered is None or not claim.matches(registered):
            raise answers.refused(codes.INVALID_SESSION)
        return Grant(claim.user)

    def accepted(self, session: Session, claim: UserSession) -> Answer:
        return _say({"auth": f"Authorized as {claim.user}"})

    def refused(self, refused: RefusedCredentials) -> Answer:
        return _say({"error": NOT_AUTHORIZED, "code": refused.code})

    def exhausted(self) -> Answer:
        return _say({"error": NOT_AUTHORIZED, "code": codes.TOO_MANY_ATTEMPTS})


def _say(body: dict[str, str]) -> Event:
    """Always the JSON text as event ``message``, whichever delivery the client wants for its messages."""
    return Event(MESSAGE, dump_json(body))
