"""Parts that the end-to-end tests share: a server in its default settings, a backend, a page's origin."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.e2e.backend import Backend
from tests.e2e.server import ServerProcess


@pytest.fixture(scope="session")
def shared_server(valkey: Valkey) -> Iterator[ServerProcess]:
    """One server process for all tests that need nothing but the defaults."""
    server = ServerProcess("--port", "0", "--redis", valkey.url)
    assert server.url
    yield server
    server.sweep()


@pytest.fixture
def server(shared_server: ServerProcess) -> Iterator[ServerProcess]:
    """A server in its default settings; shared, so keep to channels that start with ``prefix``."""
    before = len(shared_server.output)
    yield shared_server
    print(f"--- output of the shared server during this test ---\n{shared_server.output[before:]}")
    assert shared_server.process.poll() is None, "the server ended during this test"


@pytest.fixture
def backend(redis: Redis) -> Backend:
    return Backend(redis)
