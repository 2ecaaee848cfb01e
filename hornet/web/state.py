"""What the routes need from the rest of Hornet, handed over by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from hornet.flows.demo import Demo


@dataclass(frozen=True)
class WebState:
    """``demo`` is None when the try-it page is off; ``is_ready`` tells whether messages can travel now."""

    version: str
    redis_hint: str
    demo: Demo | None
    is_ready: Callable[[], bool]
    render_metrics: Callable[[], bytes]


STATE: web.AppKey[WebState] = web.AppKey("hornet-web", WebState)
