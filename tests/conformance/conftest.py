"""The server under test, the clients, and what is known of the reference server."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pytest_asyncio import fixture, is_async_test

from tests.conformance.client import Clients


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--conformance-url", help="test the server at this URL, not one started here")
    group.addoption(
        "--conformance-reference",
        choices=["default", "msgpack"],
        help="that server is the Node reference with this parser: its known differences are expected",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "node_differs(reason): the Node reference server does otherwise")
    config.addinivalue_line("markers", "node_dies(reason): the Node reference server would end")
    config.addinivalue_line("markers", "msgpack: needs a server that knows the msgpack parser")


HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    own = [item for item in items if item.path.is_relative_to(HERE)]
    for item in own:
        if is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)
            item.add_marker(pytest.mark.alone)  # the server pings each 0.3 s, and waits 0.2 s
    expect_differences(config, own)


def expect_differences(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what the reference server, if that is under test, is known to do otherwise."""
    reference = config.getoption("--conformance-reference", default=None)
    if reference is None:
        return
    for item in items:
        if (item.get_closest_marker("msgpack") is not None) != (reference == "msgpack"):
            item.add_marker(pytest.mark.skip(reason="this reference server has the other parser"))
        elif dies := item.get_closest_marker("node_dies"):
            item.add_marker(
                pytest.mark.skip(reason=f"the reference server would not survive: {dies.args[0]}")
            )
        elif differs := item.get_closest_marker("node_differs"):
            item.add_marker(pytest.mark.xfail(reason=differs.args[0], strict=True))


@fixture(scope="package", loop_scope="package")
async def server(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The base URL of a server with the application and timings of ``server.py``; all tests share it."""
    url = request.config.getoption("--conformance-url", default=None)
    if url:
        yield url.rstrip("/")
        return
    from tests.conformance.server import serving

    async with serving() as own_url:
        yield own_url


@fixture(loop_scope="package")
async def clients(server: str) -> AsyncIterator[Clients]:
    """Clients of every kind; what they leave open is closed at the end."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        clients = Clients(http, f"{server}/socket.io/")
        yield clients
        await clients.close()
