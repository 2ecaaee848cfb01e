"""How late the event loop is: what every client feels when one node has too much to do."""

from __future__ import annotations

import asyncio

from hornet.metrics import Metrics

EVERY_S = 0.5
"""Often enough to see a loop that is held for a moment, at next to no cost."""


async def measure_lag(metrics: Metrics) -> None:
    """Observe, until cancelled, by how much a sleep of ``EVERY_S`` takes longer."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        metrics.loop_lag.observe(max(0.0, loop.time() - due))
