"""Whole nodes with an HTTP API in the test's own event loop, and requests to them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from redis.asyncio import Redis
from yarl import URL

from hornet.app import NODE, Node, create_app
from hornet.broker.settings import HistorySettings, RedisSettings
from hornet.config import Config
from hornet.core.history import parse_position
from hornet.core.message_limit import DEFAULT_MAX_MESSAGE_BYTES
from hornet.engine import EngineSettings
from hornet.flows.settings import ChannelSettings
from hornet.web.api.settings import ApiSettings
from hornet.web.settings import ServerSettings
from tests.broker.conftest import StartRedis, own_redis, start_redis
from tests.conftest import Valkey
from tests.e2e.backend import Backend
from tests.flows.client import Client

__all__ = ["own_redis", "start_redis"]


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]
    text: str

    @property
    def code(self) -> str:
        """Return the code of the problem that was answered."""
        assert self.header("Content-Type").startswith("application/problem+json"), self.text
        assert self.body["status"] == self.status
        return str(self.body["code"])

    def header(self, name: str) -> str:
        return self.headers[name]


@dataclass(frozen=True)
class Api:
    """One node: requests to it, clients of it."""

    node: Node
    url: str
    connect: Callable[..., Awaitable[Client]]
    session: aiohttp.ClientSession

    async def request(self, method: str, path: str, *, key: str | None = None, **options: Any) -> Answer:
        headers = CIMultiDict(options.pop("headers", {}))
        if key:
            headers["Authorization"] = f"Bearer {key}"
        url = URL(self.url + path.removeprefix("/"), encoded=True)
        async with self.session.request(method, url, headers=headers, **options) as response:
            text = await response.text()
            body = await response.json(content_type=None) if "json" in response.content_type else None
            return Answer(response.status, body, response.headers, text)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        if isinstance(body, bytes):
            options.setdefault("headers", {}).setdefault("Content-Type", "application/json")
            return await self.request("POST", path, data=body, **options)
        return await self.request("POST", path, json=body, **options)

    def metric(self, name: str) -> float:
        """Return the value of one line of the metrics, 0 when there is no such line."""
        for line in self.node.metrics.render().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0


StartApi = Callable[..., Awaitable[Api]]


@pytest.fixture
async def start_api(valkey: Valkey, start_redis: StartRedis) -> AsyncIterator[StartApi]:
    """Start nodes, by default on the test's Valkey. They and their clients end with the test.

    They stop before a Redis of the test's own does: without it, each would wait for it.
    """
    del start_redis  # it is asked for because of the order only
    async with AsyncExitStack() as stack:

        async def start(
            *,
            redis: str = valkey.url,
            redis_timeout_s: float = 5,
            trusted_proxies: tuple[str, ...] = (),
            max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
            history_channels: tuple[str, ...] = (),
            **options: Any,
        ) -> Api:
            config = Config(
                server=ServerSettings(demo=False),
                redis=RedisSettings(redis=redis, redis_timeout_s=redis_timeout_s),
                history=HistorySettings(history_channels=history_channels),
                api=ApiSettings(**options),
                channels=ChannelSettings(max_message_bytes=max_message_bytes),
                engine=EngineSettings(trusted_proxies=trusted_proxies),
            )
            app = create_app(config)
            server = TestServer(app)
            await server.start_server()
            stack.push_async_callback(server.close)
            url = str(server.make_url("/"))
            session = await stack.enter_async_context(aiohttp.ClientSession())

            async def connect(auth: object = None, query: str = "") -> Client:
                return await stack.enter_async_context(Client(url, auth, query))

            return Api(app[NODE], url, connect, session)

        yield start


@pytest.fixture
async def api(start_api: StartApi) -> Api:
    """Start a node in its default settings: no key, so it answers this machine."""
    return await start_api()


@pytest.fixture
def backend(redis: Redis) -> Backend:
    return Backend(redis)


def without_positions(body: Any) -> Any:
    """Return an answer to a publish without its positions, after a check that each is one."""
    entries = body.get("published", [body])
    positions = [parse_position(entry["position"]) for entry in entries]
    assert positions == sorted(positions)
    plain = [{name: value for name, value in entry.items() if name != "position"} for entry in entries]
    return {**body, "published": plain} if "published" in body else plain[0]


async def admitted(api: Api, backend: Backend, *channels: str) -> Client:
    """Connect a client in these channels."""
    client = await api.connect({"token": await backend.token(*channels), "channels": channels})
    assert (await client.message())["type"] == "connected"
    return client
