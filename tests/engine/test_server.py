"""The Socket.IO server between python-socketio and the hooks."""

import asyncio
import logging

import pytest

from tests.engine.application import running
from tests.engine.caller import until

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


@pytest.mark.parametrize("namespace", ["", "/plugin,"])
async def test_an_acknowledgement_that_nobody_asked_for_is_dropped_counted_and_not_logged(
    caplog: pytest.LogCaptureFixture, namespace: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running() as application:
        application.sio.on("x", lambda *_: None, namespace="/plugin")
        ws, _ = await application.open_websocket()
        if namespace:
            await ws.send_str("40/plugin,")
            await ws.receive_str()
        lines = len(caplog.records)
        for number in ("0", "1", "7", "99999999999999999999"):
            await ws.send_str(f"43{namespace}{number}[]")
        await ws.send_str("461-" + namespace + '5[{"_placeholder":true,"num":0}]')
        await ws.send_bytes(b"x")
        await until(lambda: application.engine.counts.unknown_answers == 5)
        assert [record.message for record in caplog.records[lines:]] == []
        await ws.send_str('42["echo"]')
        assert await ws.receive_str() == '42["echo"]', "the session goes on"


async def test_an_acknowledgement_that_a_plugin_waits_for_reaches_it() -> None:
    async with running() as application:
        ws, sid = await application.open_websocket()
        asked = asyncio.create_task(application.sio.call("ask", to=sid))
        assert await ws.receive_str() == '421["ask"]'
        await ws.send_str('431["first"]')
        await ws.send_str('431["second"]')
        assert await asked == "first"
        await until(lambda: application.engine.counts.unknown_answers == 1)
