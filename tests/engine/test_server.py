"""The Socket.IO server between python-socketio and the hooks."""

import logging

import pytest

from tests.engine.application import running

LOG = logging.getLogger("hornet.engine.socketio")


async def test_errors_of_python_socketio_are_warnings_while_the_engine_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    filters = list(LOG.filters)
    async with running():
        LOG.error("Redis is away")
        LOG.error("a bug", exc_info=ValueError())
    LOG.error("no engine runs")
    assert LOG.filters == filters
    assert [(record.levelname, record.message) for record in caplog.records if record.name == LOG.name] == [
        ("WARNING", "Redis is away"),
        ("ERROR", "a bug"),
        ("ERROR", "no engine runs"),
    ]
