"""What machines ask: is it alive, is it ready, what did it count."""

from __future__ import annotations

from aiohttp import web

from hornet.web.state import STATE


def probe_routes() -> list[web.RouteDef]:
    return [web.get("/health/live", _live), web.get("/health/ready", _ready), web.get("/metrics", _metrics)]


async def _live(request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def _ready(request: web.Request) -> web.Response:
    """503 while stopping, and while Redis is away: clients stay connected, but nothing new can reach them."""
    reason = request.app[STATE].why_not_ready()
    return web.json_response({"status": reason or "ready"}, status=503 if reason else 200)


async def _metrics(request: web.Request) -> web.Response:
    body = request.app[STATE].render_metrics()
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
