"""Access tokens of the backend's own API: Hornet asks the backend to which user a token belongs.

The events are those of node-hermes, whose pages work unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

import aiohttp

from hornet.core import answers, codes
from hornet.core.access_tokens import FIELDS, parse_access_token, parse_profile
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.limits import Throttle
from hornet.flows.auth.address_turns import AddressTurns
from hornet.flows.auth.authenticator import Answer, Authenticator, Event, Evidence, Source
from hornet.flows.auth.settings import BackendSettings
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

AUTHENTICATE = "user:authenticate"
AUTHENTICATED = "user:authenticated"
CLOSED = "socket:closed"
CLOSED_REASON = "Maximum authentication attempts reached"

READ_BYTES = 16_384

WARN_EVERY_S = 10.0

BUSY = frozenset({408, 425, 429})
"""Client errors that say nothing about the token: the same request may succeed later.

Sources: RFC 9110 (https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9) for 408, RFC 8470
(https://www.rfc-editor.org/rfc/rfc8470#section-5.2) for 425, RFC 6585
(https://www.rfc-editor.org/rfc/rfc6585#section-4) for 429.
"""


class BackendClaim(NamedTuple):
    """An access token, and the address of the client that showed it."""

    access_token: str
    address: str


class BackendAuthenticator(Authenticator):
    """Takes event ``user:authenticate``, or an access token in ``auth``.

    An attempt always ends within ``backend_timeout_s``, the wait for a free connection included. No redirect
    is followed, since it would carry the access token to another server. No cookie is kept, since the next
    request is for another user.
    """

    events = (AUTHENTICATE,)

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings
        self._url = settings.backend_uri.rstrip("/") + settings.backend_path
        self._warnings = Throttle(WARN_EVERY_S)
        self._turns = AddressTurns(
            min(settings.backend_connections, settings.backend_connections_per_address)
        )
        self._http: aiohttp.ClientSession | None = None

    def offer(self, evidence: Evidence) -> BackendClaim | None:
        if evidence.event == AUTHENTICATE:
            access_token = parse_access_token(evidence.value)
        elif evidence.where is Source.AUTH and any(name in evidence.fields for name in FIELDS):
            access_token = parse_access_token(evidence.fields)
        else:
            return None
        return BackendClaim(access_token, evidence.handshake.address)

    async def check(self, claim: BackendClaim) -> Grant:
        settings = self._settings
        try:
            async with asyncio.timeout(settings.backend_timeout_s), self._turns.of(claim.address):
                body = await self._request(claim.access_token)
            return parse_profile(body, settings.backend_user_field, settings.backend_info)
        except TimeoutError:
            reason = f"no answer within {settings.backend_timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
        self._warn(reason)
        raise answers.refused(codes.BACKEND_UNAVAILABLE)

    def accepted(self, session: Session, claim: BackendClaim) -> Answer:
        return Event(AUTHENTICATED, {"success": True})

    def refused(self, refused: RefusedCredentials) -> Answer:
        return Event(AUTHENTICATED, {"success": False})

    def exhausted(self) -> Answer:
        return Event(CLOSED, {"reason": CLOSED_REASON})

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _warn(self, reason: str) -> None:
        """Log the reason, but at most once in ``WARN_EVERY_S``: every client tries again while it is away."""
        if self._warnings.is_due(asyncio.get_running_loop().time()):
            log.warning("The backend at %s can't be asked: %s", self._url, reason)

    async def _request(self, access_token: str) -> bytes:
        """Return the body of the backend's answer.

        Raises:
            RefusedCredentials: the backend does not accept the token.
            TimeoutError, aiohttp.ClientError, OSError, ValueError: no answer came, or none that can be used.
        """
        headers = {"Authorization": f"Bearer {access_token}"}
        async with self._connections().get(self._url, headers=headers, allow_redirects=False) as response:
            if 400 <= response.status < 500 and response.status not in BUSY:
                raise answers.refused(codes.INVALID_ACCESS_TOKEN)
            if not 200 <= response.status < 300:
                raise ValueError(f"it answered {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(READ_BYTES):
                body += chunk
                if len(body) > self._settings.backend_max_answer_bytes:
                    raise ValueError("its answer is too long")
            return bytes(body)

    def _connections(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._settings.backend_connections),
                timeout=aiohttp.ClientTimeout(total=self._settings.backend_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": "Hornet",
                    **self._settings.header_lines(),
                },
            )
        return self._http
