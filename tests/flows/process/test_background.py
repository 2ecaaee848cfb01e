"""Background tasks: one that fails is started again and counted; the lag of the event loop is observed."""

import asyncio
import contextlib
import logging
import time

import pytest

from hornet.flows.process import background
from hornet.flows.process.background import LAG_EVERY_S, measure_lag, supervise
from hornet.metrics import Metrics
from tests.e2e.waiting import DEADLINE_S, eventually


async def test_a_failing_task_is_logged_counted_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "RESTART_S", 0)
    metrics = Metrics()
    runs = 0
    third = asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ZeroDivisionError("a bug")
        if runs == 3:
            third.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(supervise("sample", run, metrics))
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(third.wait(), DEADLINE_S)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert "a bug" in caplog.text
    assert b'hornet_task_restarts_total{task="sample"} 2.0' in metrics.render()


def observed(metrics: Metrics, name: str) -> float:
    text = metrics.render().decode()
    return float(text.split(f"\nhornet_loop_lag_seconds_{name} ")[1].split("\n")[0])


async def test_a_blocked_event_loop_shows_in_the_lag() -> None:
    metrics = Metrics()
    task = asyncio.create_task(measure_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(LAG_EVERY_S + 0.2)  # noqa: ASYNC251  # holding the loop is what is tested

    async def count() -> float:
        return observed(metrics, "count")

    await eventually(count, 1.0)
    assert observed(metrics, "sum") >= 0.2
    task.cancel()
