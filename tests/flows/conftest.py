"""A whole node in the test's own event loop, and clients that speak to it over real WebSockets."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hornet.app import NODE, Node, create_app
from hornet.config import load_config
from hornet.connector import AsyncConnector
from hornet.flows.commands.plugins import Declared
from hornet.flows.plugins.setup import SetUp
from hornet.flows.sessions.sessions import Session
from hornet.plugins import Authenticator
from tests.broker.conftest import StartRedis, own_redis, start_redis
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import Client

__all__ = ["own_redis", "running", "start_node", "start_redis"]


@dataclass(frozen=True)
class Running:
    node: Node
    stop: Callable[[], Awaitable[None]]
    connect: Callable[..., Awaitable[Client]]
    url: str

    async def connect_with_token(self, *channels: str, **carried: Any) -> Client:
        """Connect a client with a token for ``channels``. ``carried`` are further fields of the token."""
        async with AsyncConnector(self.node.config.redis.redis) as backend:
            token = await backend.create_access_token(channels, **carried)
        client = await self.connect(auth={"token": token, "channels": channels})
        assert (await client.message())["type"] == "connected"
        return client

    async def get(self, path: str) -> Any:
        """Return the JSON that the node answers at a path, with any status."""
        async with aiohttp.ClientSession() as http, http.get(self.url + path) as response:
            return await response.json()

    def session(self, client: Client) -> Session:
        """Return the node's session of a client."""
        session = self.node.sessions.get(client.sid)
        assert session is not None
        return session

    async def create_token(self, *channels: str) -> str:
        async with AsyncConnector(self.node.config.redis.redis) as backend:
            return await backend.create_access_token(channels)

    async def wait_until_empty(self) -> None:
        """Return when the node has seen all its sessions leave."""

        async def count() -> int:
            return len(self.node.sessions)

        await eventually(count, 0)


StartNode = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start_node(valkey: Valkey, start_redis: StartRedis) -> AsyncIterator[StartNode]:
    """Start nodes on the test's Valkey. They and their clients end with the test.

    They stop before a Redis of the test's own does: without it, each would wait for it.
    """
    del start_redis  # it is asked for because of the order only
    async with AsyncExitStack() as stack:

        async def start(
            auth_timeout_s: float = 10,
            ways: Iterable[Authenticator] = (),
            *,
            redis: str = valkey.url,
            own_commands: Mapping[str, Declared] | None = None,
            own_plugins: Iterable[SetUp] = (),
            own_routes: Iterable[web.RouteDef] = (),
            **given: Any,
        ) -> Running:
            """``given`` are sections of the configuration, or single options by their names."""
            sections: dict[str, Any] = {name: value for name, value in given.items() if is_dataclass(value)}
            options = {name: value for name, value in given.items() if name not in sections}
            flags = {"demo": False, "redis": redis, "auth_timeout": auth_timeout_s, **options}
            config = replace(load_config(flags, {}), **sections)
            app = create_app(config, authenticators=ways, commands=own_commands, plugins=own_plugins)
            app.add_routes(own_routes)
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)

            async def connect(auth: object = None, query: str = "", **headers: str) -> Client:
                url = str(server.make_url("/"))
                return await stack.enter_async_context(Client(url, auth, query, headers))

            return Running(app[NODE], server.close, connect, str(server.make_url("/")).rstrip("/"))

        yield start


@pytest.fixture
async def running(start_node: StartNode) -> Running:
    return await start_node()
