"""Background tasks of a node: how they are kept running and ended, and the one that measures the lag."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from hornet.metrics import Metrics

log = logging.getLogger(__name__)

RESTART_S = 1.0

LAG_EVERY_S = 0.5
"""Often enough to see a loop that is blocked for a moment, at next to no cost."""


async def supervise(name: str, run: Callable[[], Awaitable[None]], metrics: Metrics) -> None:
    """Run ``run`` again and again until cancelled; log and count each time it fails or ends.

    A failure is a bug in Hornet: it is logged with its traceback, and must not end the process.
    """
    while True:
        try:
            await run()
        except Exception:
            log.exception("The %s task failed and is started again", name)
        else:
            log.error("The %s task ended by itself and is started again", name)
        metrics.restarts.labels(name).inc()
        await asyncio.sleep(RESTART_S)


async def finish(tasks: Collection[asyncio.Task[Any]], timeout_s: float) -> int:
    """Wait until ``tasks`` are done; cancel those that take longer, and return how many these were."""
    if not tasks:
        return 0
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
    return len(late)


async def measure_lag(metrics: Metrics) -> None:
    """Observe, until cancelled, by how much a sleep of ``LAG_EVERY_S`` lasts longer than that.

    Every client notices the lag when a node has too much to do.
    """
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.loop_lag.observe(max(0.0, loop.time() - due))
