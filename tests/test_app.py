"""Hornet as a library: one application to run, mount or extend."""

from collections.abc import Callable
from typing import cast

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

import hornet
from hornet.broker.embedded import answers, find_or_start
from hornet.broker.settings import RedisSettings
from hornet.config import Config
from hornet.metrics import Metrics
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.flows.client import Client


async def test_create_app_serves_beside_routes_of_the_embedding_application(valkey: Valkey) -> None:
    app = hornet.create_app(Config(redis=RedisSettings(redis=valkey.url)))

    async def own(_: web.Request) -> web.Response:
        return web.Response(text="mine")

    app.router.add_get("/own", own)
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/own")).text() == "mine"
        assert (await client.get("/health/ready")).status == 200
        assert f"Hornet v{hornet.__version__}" in await (await client.get("/")).text()


async def test_create_app_can_be_mounted_below_a_path(valkey: Valkey) -> None:
    outer = web.Application()
    outer.add_subapp("/realtime", hornet.create_app(Config(redis=RedisSettings(redis=valkey.url))))
    async with TestServer(outer) as server:
        async with Client(str(server.make_url("/realtime/")), None, "") as client:
            assert client.sid
        async with (
            ClientSession() as session,
            session.get(server.make_url("/realtime/health/ready")) as answer,
        ):
            assert await answer.json() == {"status": "ready"}


async def test_liveness_and_metrics_are_served(valkey: Valkey) -> None:
    app = hornet.create_app(Config(redis=RedisSettings(redis=valkey.url)))
    async with TestClient(TestServer(app)) as client:
        assert await (await client.get("/health/live")).json() == {"status": "live"}
        answer = await client.get("/metrics")
        text = await answer.text()
        assert "hornet_sessions 0.0" in text
        assert "hornet_slow_readers_total 0.0" in text
        assert answer.content_type == "text/plain"


async def test_create_app_uses_a_valkey_and_metrics_that_it_is_given_and_leaves_them_to_their_owner() -> None:
    _, embedded = await find_or_start(free_port())
    assert embedded is not None
    metrics = Metrics()
    try:
        app = hornet.create_app(metrics=metrics, embedded=embedded)
        async with TestClient(TestServer(app)) as client:
            assert (await client.get("/health/ready")).status == 200
        assert b"hornet_embedded_restarts_total 0.0" in metrics.render()
        assert await answers(embedded.url)
    finally:
        await embedded.stop()


def test_create_app_tells_an_asgi_server_to_run_hornet_server_beside_it() -> None:
    asgi = cast("Callable[[dict[str, str]], object]", hornet.create_app)
    with pytest.raises(TypeError, match="no ASGI server can run: run hornet-server"):
        asgi({"type": "lifespan"})
