"""One-time tokens: a backend makes a token, and a client shows it with the channels that it wants."""

from __future__ import annotations

from hornet.broker.events import EventPublisher
from hornet.broker.tokens import TokenStore
from hornet.core import answers, codes
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.credentials import Credentials, parse_credentials, shows_credentials
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.flows.auth.authenticator import MESSAGE, Answer, Authenticator, Evidence, Source
from hornet.flows.sessions.sessions import Session, Sessions


class TokenAuthenticator(Authenticator):
    """Takes every ``message`` that no other authenticator took, and tells backends which tokens come and go.

    A client may try as often as it likes until the authentication timeout: that is the contract since the
    Node server, and no client can guess a token in that time.
    """

    is_limited = False

    def __init__(self, *, tokens: TokenStore, sessions: Sessions, events: EventPublisher) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._events = events

    def offer(self, evidence: Evidence) -> Credentials | None:
        if evidence.event == MESSAGE or (
            evidence.where is Source.AUTH and shows_credentials(evidence.fields)
        ):
            credentials = parse_credentials(evidence.fields or evidence.value)
            if CONTROL_CHANNEL in credentials.channels:
                raise RefusedCredentials(
                    codes.WRONG_TOKEN_ASSOCIATION, "the channel is reserved", channels=(CONTROL_CHANNEL,)
                )
            return credentials
        return None

    async def check(self, claim: Credentials) -> Grant:
        return await self._tokens.take(claim)

    def accepted(self, session: Session, claim: Credentials) -> Answer:
        self._sessions.remember_token(session, claim.token, claim.channels)
        self._events.tell_connect(claim.token, claim.channels)
        return answers.CONNECTED

    def on_session_closed(self, session: Session, reason: str) -> None:
        """Tell backends that the tokens of the session are gone."""
        for token, channels in session.tokens.items():
            self._events.tell_disconnect(token, channels)

    def on_session_returned(self, session: Session) -> None:
        """Tell backends that the tokens of the session are there again."""
        for token, channels in session.tokens.items():
            self._events.tell_connect(token, channels)

    def on_logged_out(self, session: Session) -> None:
        """Tell backends that the tokens of the session are gone, and forget them."""
        self.on_session_closed(session, "logged out")
        self._sessions.forget_tokens(session)
