"""The short way of a request to the endpoint, past aiohttp's router and middlewares.

These take a tenth of the processor time of a poll, and for a request to the Socket.IO path their result is
always the same: the request limiter, and then the endpoint.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from hornet.engine.transport.endpoint import Endpoint
from hornet.engine.transport.request_limit import RequestLimiter

ServerHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def short_way(
    app: web.Application, endpoint: Endpoint, limiter: RequestLimiter, handle: ServerHandler
) -> ServerHandler:
    """Return the handler for all requests to ``app``, whose own handler is ``handle``.

    There is no short way where the application changes what happens to a request: by a middleware, a signal
    or a route of its own. A client that waits for an answer before it sends its body (``Expect``) takes the
    long way.
    """
    paths = frozenset(path.decode() for path in endpoint.paths)
    routes = [route for route in app.router.routes() if route.resource and route.resource.canonical in paths]
    is_changed = len(app.middlewares) > 1 or app.on_response_prepare or len(routes) > len(paths)
    if is_changed:
        return handle

    async def handle_shortly(request: web.BaseRequest) -> web.StreamResponse:
        if (
            isinstance(request, web.Request)
            and request.rel_url.raw_path in paths
            and hdrs.EXPECT not in request.headers
        ):
            return limiter.refusal(request) or await endpoint.handle(request)
        return await handle(request)

    return handle_shortly
