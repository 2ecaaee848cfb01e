"""What every request has to pass that aiohttp serves, whatever it asks for: a share of its address, and a
plainly written path.

WebSockets that come through the doorway have a limit of their own, and are none of these.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from hornet.core.limits import AddressLimiter, OverLimit
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.client_address import ClientAddressResolver
from hornet.engine.transport.refusal_log import ThrottledLog

TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"
DISGUISED_PATH = "DISGUISED_PATH"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RequestLimiter:
    """The middleware of the application."""

    def __init__(self, settings: EngineSettings, counts: Counts) -> None:
        self.settings = settings
        """May be replaced at any time."""
        self._counts = counts
        self._addresses = AddressLimiter()
        self._advisor = ThrottledLog()
        self._callers = ClientAddressResolver(settings)

    def attach(self, app: web.Application) -> None:
        @web.middleware
        async def pass_or_refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._refusal(request) or await handler(request)

        app.middlewares.append(pass_or_refuse)

    def _refusal(self, request: web.Request) -> web.Response | None:
        address, _ = self._callers.addresses(request.transport, request.headers)
        try:
            self._addresses.check_next(
                address, sys.maxsize, self.settings.max_request_rate, asyncio.get_running_loop().time()
            )
        except OverLimit:
            self._counts.refused[TOO_MANY_REQUESTS] += 1
            self._advisor.tell(TOO_MANY_REQUESTS, address)
            return _refuse(TOO_MANY_REQUESTS, "too many requests from this address", 429)
        self._addresses.leave(address)
        if is_disguised(request.rel_url.raw_path):
            self._counts.refused[DISGUISED_PATH] += 1
            return _refuse(DISGUISED_PATH, "there is no such path", 404)
        return None


def is_disguised(raw_path: str) -> bool:
    """Whether the first part of a path is percent-encoded, which no path of Hornet's needs.

    ``/%6detrics`` is ``/metrics``, to Hornet as to anyone (RFC 3986, section 6.2.2.2), but not to a proxy
    that closes ``/metrics`` off by the text of the path, as HAProxy does.
    """
    return "%" in raw_path and "%" in "/".join(raw_path.split("/", 2)[:2])


def _refuse(reason: str, message: str, status: int) -> web.Response:
    """The connection ends with it: whoever floods has to open another one for each burst."""
    response = web.json_response({"reason": reason, "message": message}, status=status)
    response.headers["Retry-After"] = "1"
    response.force_close()
    return response
