"""How late the event loop is, as it shows in the metrics."""

import asyncio
import time

from hornet.flows.process.lag import EVERY_S, measure_lag
from hornet.metrics import Metrics
from tests.e2e.waiting import eventually


def observed(metrics: Metrics, name: str) -> float:
    text = metrics.render().decode()
    return float(text.split(f"\nhornet_loop_lag_seconds_{name} ")[1].split("\n")[0])


async def test_a_loop_that_is_held_shows() -> None:
    metrics = Metrics()
    task = asyncio.create_task(measure_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(EVERY_S + 0.2)  # noqa: ASYNC251  # holding the loop is what is tested

    async def count() -> float:
        return observed(metrics, "count")

    await eventually(count, 1.0)
    assert observed(metrics, "sum") >= 0.2
    task.cancel()
