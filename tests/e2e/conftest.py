"""What the end-to-end tests share: a server with default settings, a backend, pages, versions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.e2e.backend import Backend
from tests.e2e.node_client import ALIAS, VERSIONS
from tests.e2e.server import ServerProcess
from tests.e2e.versions import TRANSPORTS

Serve = Callable[[str], Awaitable[str]]


@pytest.fixture(scope="session")
def shared_server(shared_valkey: Valkey) -> Iterator[ServerProcess]:
    """One server process for all tests that need nothing but the defaults."""
    server = ServerProcess("--port", "0", "--redis", shared_valkey.url)
    assert server.url
    yield server
    server.sweep()


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server with default settings. Tests share it, so keep to channels that start with ``prefix``."""
    before = len(shared_server.output)
    yield shared_server
    print(f"--- output of the shared server during this test ---\n{shared_server.output[before:]}")
    assert shared_server.process.poll() is None, "the server ended during this test"


@pytest.fixture
def backend(redis: Redis) -> Backend:
    return Backend(redis)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each version of the stock client in turn."""
    return str(request.param)


@pytest.fixture(params=TRANSPORTS)
def transports(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each way to connect in turn."""
    return TRANSPORTS[request.param]


@pytest.fixture
async def pages(js_modules: Path) -> AsyncIterator[tuple[str, list[str]]]:
    """A web application with the clients' own browser builds. Its page is the last of the list."""
    texts: list[str] = []

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=texts[-1], content_type="text/html")

    async def script(request: web.Request) -> web.FileResponse:
        return web.FileResponse(
            js_modules / f"{ALIAS}{request.match_info['version']}" / "dist" / "socket.io.js"
        )

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/socket.io-{version}.js", script)])
    async with TestServer(app) as server:
        yield str(server.make_url("/")), texts


@pytest.fixture
async def serve_page(backend: Backend, prefix: str) -> AsyncIterator[Serve]:
    """Serves a page from an origin of its own, as a web application does; returns its address.

    ``POST /token`` there makes a token for the channel ``<prefix>page``, and ``POST /broken`` answers 500.
    ``/elsewhere`` is a page without Hornet.
    """
    pages: list[str] = []

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f"<!doctype html><title>page</title>{pages[-1]}", content_type="text/html")

    async def token(_: web.Request) -> web.Response:
        return web.Response(text=await backend.token(f"{prefix}page"))

    async def broken(_: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>elsewhere</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/elsewhere", elsewhere)
    app.router.add_post("/token", token)
    app.router.add_post("/broken", broken)
    async with TestServer(app) as origin:

        async def serve(text: str) -> str:
            pages.append(text)
            return str(origin.make_url("/"))

        yield serve
