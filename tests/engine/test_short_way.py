"""Requests to the Socket.IO path go past aiohttp's router where that changes nothing for them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from hornet.core.codes import TOO_MANY_REQUESTS
from hornet.engine import Engine, EngineSettings
from tests.engine.application import Application
from tests.engine.test_connection_limit import own_address

POLL = "/socket.io/?EIO=4&transport=polling"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    app: web.Application, engine: Engine, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve an application by the short way; yield its origin, and the paths that its own handler gets."""
    engine.attach(app)
    await engine.start(Application())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    handle, paths = runner.server.request_handler, []

    async def record(request: web.BaseRequest) -> web.StreamResponse:
        paths.append(request.path)
        return await handle(request)

    runner.server.request_handler = engine.handler(app, record)
    with socket.create_server((host, 0)) as listening:
        await web.SockSite(runner, listening).start()
        yield f"http://{host}:{listening.getsockname()[1]}", paths
        await runner.cleanup()
    await engine.stop()


async def other(request: web.Request) -> web.Response:
    return web.Response(text="other")


async def get(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.request("GET", url, headers=headers) as response:
        return response.status, await response.text()


async def test_a_poll_passes_no_router_and_other_requests_do() -> None:
    app = web.Application()
    app.router.add_get("/other", other)
    async with serving(app, Engine(EngineSettings())) as (origin, paths):
        status, body = await get(origin + POLL)
        assert (status, body[:8]) == (200, '0{"sid":')
        assert (await get(origin + "/socket.io?EIO=4&transport=carrier"))[0] == 400
        assert await get(origin + "/other") == (200, "other")
        assert (await get(origin + POLL.replace("/?", "/more?")))[0] == 404
    assert paths == ["/other", "/socket.io/more"]


async def test_a_flood_of_polls_is_refused_on_the_short_way_too() -> None:
    engine = Engine(EngineSettings(max_request_rate=1.0))
    async with serving(web.Application(), engine, own_address()) as (origin, paths):
        statuses = [(await get(origin + POLL + "&sid=nobody"))[0] for _ in range(20)]
    assert set(statuses) == {400, 429}
    assert engine.counts.refused == {TOO_MANY_REQUESTS: statuses.count(429)}
    assert paths == []


async def test_a_client_that_waits_for_an_answer_before_its_body_takes_the_long_way() -> None:
    async with (
        serving(web.Application(), Engine(EngineSettings())) as (origin, paths),
        aiohttp.ClientSession() as http,
        http.post(origin + POLL + "&sid=nobody", data=b"40", expect100=True) as response,
    ):
        assert response.status == 400
    assert paths == ["/socket.io/"]


@web.middleware
async def mark(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    response.headers["X-Marked"] = "yes"
    return response


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Marked"] = "yes"


def add_middleware(app: web.Application) -> None:
    app.middlewares.append(mark)


def add_signal(app: web.Application) -> None:
    app.on_response_prepare.append(sign)


@pytest.mark.parametrize("change", [add_middleware, add_signal])
async def test_an_application_that_changes_responses_changes_those_to_polls(
    change: Callable[[web.Application], None],
) -> None:
    app = web.Application()
    change(app)
    async with (
        serving(app, Engine(EngineSettings())) as (origin, _),
        aiohttp.request("GET", origin + POLL) as response,
    ):
        assert response.headers["X-Marked"] == "yes"


async def test_a_route_that_the_application_had_before_keeps_its_requests() -> None:
    app = web.Application()
    app.router.add_get("/socket.io/", other)
    async with serving(app, Engine(EngineSettings())) as (origin, _):
        assert await get(origin + POLL) == (200, "other")
