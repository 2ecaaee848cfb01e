"""Probes for machines: liveness, readiness, and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from hornet.web.hosts import HostGuard

RENDERING_SHARE = 0.1
"""How much of a processor may go into rendering the metrics; beyond it, the last text is sent again."""

RENDERING_BURST_S = 0.5
"""How much processor time may go into it at once, after a while without requests."""


def probe_routes(
    *, why_not_ready: Callable[[], str], render_metrics: Callable[[], bytes], hosts: HostGuard
) -> list[web.RouteDef]:
    """Return the routes of the probes.

    ``why_not_ready`` returns the reason why messages can't be delivered now, "" when they can.
    """
    metrics = PacedRendering(render_metrics)

    async def show_ready(request: web.Request) -> web.Response:
        # 503 while stopping, and while Redis is away: clients stay connected, but nothing new reaches them.
        reason = why_not_ready()
        return web.json_response({"status": reason or "ready"}, status=503 if reason else 200)

    async def show_metrics(request: web.Request) -> web.Response:
        content_type = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=metrics.render(), headers=content_type)

    return [
        web.get("/health/live", _show_live),
        web.get("/health/ready", show_ready),
        web.get("/metrics", hosts.guard(show_metrics)),
    ]


async def _show_live(request: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


class PacedRendering:
    """Renders a text for each request, unless that would take too much of the processor.

    A scraper asks every few seconds and always gets a fresh text. A client that asks without pause gets
    texts that are some hundredths of a second old.
    """

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render
        self._text = b""
        self._left_s = RENDERING_BURST_S
        self._at = time.monotonic()

    def render(self) -> bytes:
        """Return the text, fresh or from the last time."""
        now = time.monotonic()
        self._left_s = min(RENDERING_BURST_S, self._left_s + (now - self._at) * RENDERING_SHARE)
        self._at = now
        if self._left_s > 0 or not self._text:
            began = time.thread_time()
            self._text = self._render()
            self._left_s -= time.thread_time() - began
        return self._text
