"""Background tasks that fail are started again, and it is counted."""

import asyncio
import contextlib
import logging

import pytest

from hornet.flows.process import supervision
from hornet.flows.process.supervision import supervise
from hornet.metrics import Metrics
from tests.e2e.waiting import DEADLINE_S


async def test_a_failing_task_is_logged_counted_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "RESTART_S", 0)
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
