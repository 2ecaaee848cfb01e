"""One-time tokens, the classic way: a backend makes one, a client shows it with the channels it wants."""

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
from hornet.flows.sessions.signals import Signals


class TokenAuthenticator(Authenticator):
    """Takes every ``message`` that no other way took, and tells backends which tokens come and go.

    A client may try as often as it likes until the authentication timeout: that is the contract since the
    Node server, and a token can't be guessed in that time.
    """

    is_limited = False

    def __init__(
        self, tokens: TokenStore, sessions: Sessions, events: EventPublisher, signals: Signals
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._events = events
        signals.session_closed.connect(lambda session, _: self._tell_gone(session))
        signals.logged_out.connect(self._forget)

    def offer(self, shown: Evidence) -> Credentials | None:
        if shown.event == MESSAGE or (shown.where is Source.AUTH and shows_credentials(shown.fields)):
            credentials = parse_credentials(shown.fields or shown.value)
            if CONTROL_CHANNEL in credentials.channels:
                raise RefusedCredentials(codes.WRONG_TOKEN_ASSOCIATION, "the channel is reserved")
            return credentials
        return None

    async def check(self, claim: Credentials) -> Grant:
        return await self._tokens.take(claim)

    def accepted(self, session: Session, claim: Credentials) -> Answer:
        self._sessions.remember_token(session, claim.token, claim.channels)
        self._events.tell_connect(claim.token, claim.channels)
        return answers.CONNECTED

    def _forget(self, session: Session) -> None:
        self._tell_gone(session)
        self._sessions.forget_tokens(session)

    def _tell_gone(self, session: Session) -> None:
        for token, channels in session.tokens.items():
            self._events.tell_disconnect(token, channels)
