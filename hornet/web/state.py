"""What the routes need from the rest of Hornet, handed over by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True)
class WebState:
    """``redis_url`` (its password hidden) is "" for the Redis that every tool finds by itself.

    ``why_not_ready`` tells what keeps messages from travelling now; "" when nothing does.
    """

    version: str
    redis_url: str
    why_not_ready: Callable[[], str]
    render_metrics: Callable[[], bytes]


STATE: web.AppKey[WebState] = web.AppKey("hornet-web", WebState)
