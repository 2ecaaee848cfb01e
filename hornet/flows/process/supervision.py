"""Keeps background tasks alive: one that fails is logged, counted and started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hornet.metrics import Metrics

log = logging.getLogger(__name__)

RESTART_S = 1.0


async def supervise(name: str, run: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run ``run`` until cancelled. A failure is our bug: it is logged whole, and must not end Hornet."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("The %s task failed and is started again", name)
        else:
            log.error("The %s task ended by itself and is started again", name)
        metrics.restarts.labels(name).inc()
        await asyncio.sleep(RESTART_S)
