"""The checks on every request that aiohttp serves, for any path: the rate of its address, a plainly
written path, and one encoding.

WebSockets that ``handshake`` opens never reach aiohttp, and have a limit of their own (``max_connect_rate``).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from hornet.core import codes
from hornet.core.limits import AddressLimiter, OverLimit
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.client_address import ClientAddressResolver
from hornet.engine.transport.refusal_log import ThrottledLog

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestLimiter:
    """The middleware that refuses requests beyond the rate of their address."""

    def __init__(self, settings: EngineSettings, counts: Counts) -> None:
        self._counts = counts
        self._addresses = AddressLimiter()
        self._log = ThrottledLog()
        self._client_addresses = ClientAddressResolver(settings)
        self.configure(settings)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on."""
        self._max_rate = settings.max_request_rate

    def attach(self, app: web.Application) -> None:
        """Check every request of an application before its handler runs."""

        @web.middleware
        async def pass_or_refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self.refusal(request) or await handler(request)

        app.middlewares.append(pass_or_refuse)

    def address_of(self, request: web.Request) -> str:
        """Return the address that a request counts for."""
        return self._client_addresses.resolve(request.transport, request.headers)[0]

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return the response that refuses a request; None for a request that may pass."""
        address = self.address_of(request)
        try:
            self._addresses.check_next(
                address, sys.maxsize, self._max_rate, asyncio.get_running_loop().time()
            )
        except OverLimit:
            self._counts.refused[codes.TOO_MANY_REQUESTS] += 1
            self._log.log_refusal(codes.TOO_MANY_REQUESTS, address)
            return _refuse(codes.TOO_MANY_REQUESTS)
        self._addresses.leave(address)
        if is_disguised(request.rel_url.raw_path):
            self._counts.refused[codes.DISGUISED_PATH] += 1
            return _refuse(codes.DISGUISED_PATH)
        # aiohttp refuses two lines of any other header that may come once, but believes one of these.
        headers = request.headers
        if hdrs.CONTENT_ENCODING in headers and len(headers.getall(hdrs.CONTENT_ENCODING)) > 1:
            self._counts.refused[codes.REPEATED_HEADER] += 1
            return _refuse(codes.REPEATED_HEADER)
        return None


def is_disguised(raw_path: str) -> bool:
    """Return whether the first part of a path is percent-encoded, which no path of Hornet's needs.

    ``/%6detrics`` means ``/metrics`` (RFC 3986, https://www.rfc-editor.org/rfc/rfc3986#section-6.2.2.2). A
    proxy such as HAProxy, which blocks ``/metrics`` by the text of the path, would let it through.
    """
    return "%" in raw_path and "%" in "/".join(raw_path.split("/", 2)[:2])


def _refuse(code: str) -> web.Response:
    """Return a refusal that closes the connection, so that a flood has to open a new one for each burst."""
    row = codes.CONNECTIONS[code]
    response = web.json_response({"reason": code, "message": row.sentence}, status=row.status)
    response.headers["Retry-After"] = "1"
    response.force_close()
    return response
