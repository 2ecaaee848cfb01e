"""Headers of a trusted proxy that has authenticated the client, and names the user in its request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from hornet.core import codes
from hornet.core.addresses import Network, is_in
from hornet.core.channels import is_utf8_text
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant, parse_user_id
from hornet.core.headers import is_repeated
from hornet.core.limits import Throttle
from hornet.engine import Handshake
from hornet.flows.auth.authenticator import Answer, Authenticator, Evidence, Source
from hornet.flows.auth.settings import AuthenticationSettings
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

WARN_EVERY_S = 10.0
"""How often the log says that an attribute is ignored: a client may cause it as often as it connects."""

JOINED = ", "
"""The engine joins the values of a repeated header with this text."""


class HeaderAuthenticator(Authenticator):
    """Takes the user that a proxy among ``trusted`` names, and ignores the header of any other peer.

    The peer is the address of the TCP connection, never an address that a header names. A header that came
    twice is refused: one of its values may be the client's own, which the proxy did not remove. For the same
    reason an attribute's header that came twice is ignored.
    """

    def __init__(self, settings: AuthenticationSettings, trusted: Sequence[Network]) -> None:
        self._user_header = settings.user_header.lower()
        self._attribute_headers = tuple((name, name.lower()) for name in settings.attribute_headers)
        self._trusted = trusted
        self._warnings = Throttle(WARN_EVERY_S)

    def offer(self, evidence: Evidence) -> str | None:
        if evidence.where is not Source.REQUEST or not self._user_header:
            return None
        user = evidence.handshake.headers.get(self._user_header)
        return user if user and is_in(evidence.handshake.peer, self._trusted) else None

    async def check(self, claim: str) -> Grant:
        try:
            if JOINED in claim:
                raise ValueError("the header came more than once")
            return Grant(parse_user_id(claim))
        except ValueError as error:
            log.warning("A trusted proxy names no valid user in %s: %s", self._user_header, error)
            raise RefusedCredentials(codes.INVALID_IDENTITY, str(error)) from None

    def accepted(self, session: Session, claim: str) -> Answer | None:
        """Say nothing: the client asked for nothing, and takes ``connected`` for the answer to its token."""
        return None

    def attributes_of(self, handshake: Handshake) -> Mapping[str, str] | None:
        """Return the attributes that a trusted proxy gives a connection, by header name; None for none."""
        if not self._attribute_headers or not is_in(handshake.peer, self._trusted):
            return None
        headers = handshake.headers
        attributes = {}
        for name, key in self._attribute_headers:
            if is_repeated(headers, key):
                self._warn(name)
            elif key in headers:
                attributes[name] = headers[key]
        return {name: value for name, value in attributes.items() if is_utf8_text(value)} or None

    def _warn(self, name: str) -> None:
        if self._warnings.is_due(asyncio.get_running_loop().time()):
            log.warning(
                "A trusted proxy passes on several lines of %s, so Hornet ignores them. "
                "Have the proxy remove the client's own.",
                name,
            )
