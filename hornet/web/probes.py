"""Probes for machines: liveness, readiness, and metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web


def probe_routes(
    *, why_not_ready: Callable[[], str], render_metrics: Callable[[], bytes]
) -> list[web.RouteDef]:
    """Return the routes of the probes.

    ``why_not_ready`` returns the reason why messages can't be delivered now, "" when they can.
    """

    async def show_ready(request: web.Request) -> web.Response:
        # 503 while stopping, and while Redis is away: clients stay connected, but nothing new reaches them.
        reason = why_not_ready()
        return web.json_response({"status": reason or "ready"}, status=503 if reason else 200)

    async def show_metrics(request: web.Request) -> web.Response:
        content_type = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=render_metrics(), headers=content_type)

    return [
        web.get("/health/live", _show_live),
        web.get("/health/ready", show_ready),
        web.get("/metrics", show_metrics),
    ]


async def _show_live(request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})
