"""Headers of a trusted proxy: it has authenticated the client, and says in its request who that is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from hornet.core import codes
from hornet.core.addresses import Network, is_in
from hornet.core.channels import is_utf8_text
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant, parse_user_id
from hornet.engine import Handshake
from hornet.flows.auth.authenticator import Answer, Authenticator, Evidence, Source
from hornet.flows.auth.settings import AuthenticationSettings
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

JOINED = ", "
"""Between the values of a header that came more than once."""


class HeaderAuthenticator(Authenticator):
    """The user that a proxy among ``trusted`` names. From anyone else the header is not looked at.

    Who connects is decided by the TCP connection itself, not by what a request says of its way. A header
    that came twice is refused: one of the two may be the client's own, which the proxy did not take out.
    """

    def __init__(self, settings: AuthenticationSettings, trusted: Sequence[Network]) -> None:
        self._user_header = settings.user_header.lower()
        self._attribute_headers = tuple((name, name.lower()) for name in settings.attribute_headers)
        self._trusted = trusted

    def offer(self, shown: Evidence) -> str | None:
        if shown.where is not Source.REQUEST or not self._user_header:
            return None
        user = shown.handshake.headers.get(self._user_header)
        return user if user and is_in(shown.handshake.peer, self._trusted) else None

    async def check(self, claim: str) -> Grant:
        try:
            if JOINED in claim:
                raise ValueError("the header came more than once")
            return Grant(parse_user_id(claim))
        except ValueError as error:
            log.warning("A trusted proxy names no valid user in %s: %s", self._user_header, error)
            raise RefusedCredentials(codes.INVALID_IDENTITY, str(error)) from None

    def accepted(self, session: Session, claim: str) -> Answer | None:
        """Nothing: the client asked for nothing, and takes ``connected`` for the answer to its token."""
        return None

    def attributes_of(self, handshake: Handshake) -> Mapping[str, str] | None:
        """The attributes that a trusted proxy gives a connection, whoever is behind it, by header name."""
        if not self._attribute_headers or not is_in(handshake.peer, self._trusted):
            return None
        found = {
            name: handshake.headers[key] for name, key in self._attribute_headers if key in handshake.headers
        }
        return {name: value for name, value in found.items() if is_utf8_text(value)} or None
