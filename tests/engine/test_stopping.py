"""An application that stops lets its clients go at once."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hornet.engine import Engine, EngineSettings
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S, until


async def test_a_poll_that_waits_delays_no_stop() -> None:
    """aiohttp waits for requests under way before it cleans up, and a poll waits for the next heartbeat."""
    hooks = Application()
    hooks.engine = Engine(EngineSettings())

    async def run_engine(_: web.Application) -> AsyncIterator[None]:
        await hooks.engine.start(hooks)
        yield
        await hooks.engine.stop()

    app = web.Application()
    hooks.engine.attach(app)
    app.cleanup_ctx.append(run_engine)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as hooks.http:
        hooks.url = str(server.make_url("/socket.io/"))
        eio_sid, sid = await hooks.open_polling()
        poll = asyncio.create_task(hooks.poll(eio_sid))
        await until(lambda: hooks.polls(eio_sid))
        async with asyncio.timeout(WAIT_S):
            await server.close()
        assert await poll == "1"
    assert await hooks.last_gone() == (sid, "server shutting down")


async def test_an_engine_accepts_no_session_before_its_start() -> None:
    hooks = Application()
    hooks.engine = Engine(EngineSettings())
    app = web.Application()
    hooks.engine.attach(app)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as hooks.http:
        hooks.url = str(server.make_url("/socket.io/"))
        assert (await hooks.get(EIO="4", transport="polling")).status == 503
        await hooks.engine.start(hooks)
        assert (await hooks.get(EIO="4", transport="polling")).status == 200
        await hooks.engine.stop()


async def test_a_node_that_stops_takes_no_new_session_and_keeps_those_it_has() -> None:
    async with running() as application:
        ws, _ = await application.open_websocket()
        application.engine.stop_accepting()
        refused = await application.get(EIO="4", transport="polling")
        assert refused.status == 503
        assert await refused.json() == {
            "code": 3,
            "message": "the server is stopping",
            "reason": "STOPPING",
        }
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await application.open_websocket()
        assert error.value.status == 503
        await ws.send_str('42["echo",1]')
        assert await ws.receive_str() == '42["echo",1]'
