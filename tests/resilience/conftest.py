"""A real server on a Redis that a test may harm, and clients that stay connected meanwhile."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.broker.conftest import own_redis, start_redis
from tests.e2e.backend import Backend
from tests.e2e.server import LOOPS, ServerProcess
from tests.e2e.server import program as program_on
from tests.e2e.waiting import eventually
from tests.flows.client import Client

__all__ = ["own_redis", "start_redis"]

QUICK = ("--redis-timeout", "0.5", "--redis-heartbeat", "0.3", "--node-heartbeat", "0.3")
"""Options with which trouble is noticed soon, so that the tests are short."""

CHANNEL = "news"
END = "end"


class Watched:
    """A server process whose Redis a test may harm. ``url`` is where the backend finds that Redis."""

    def __init__(self, server: ServerProcess, url: str, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.url = url
        self.http = http
        self._stack = AsyncExitStack()

    async def readiness(self) -> tuple[int, str]:
        async with self.http.get(f"{self.server.url}/health/ready") as response:
            return response.status, (await response.json())["status"]

    async def becomes_unready(self) -> None:
        await eventually(self.readiness, (503, "redis unavailable"))

    async def becomes_ready(self) -> None:
        await eventually(self.readiness, (200, "ready"))

    async def metric(self, name: str) -> float:
        async with self.http.get(f"{self.server.url}/metrics") as response:
            line = re.search(rf"^{re.escape(name)} (\S+)$", await response.text(), re.MULTILINE)
        return float(line[1]) if line else 0.0

    async def token(self) -> str:
        async with Redis.from_url(self.url) as redis:
            return await Backend(redis).token(CHANNEL)

    async def publish(self, type: str) -> int:
        """Publish, and return how many nodes received it. That is 0 as well when Redis did not take it."""
        async with Redis.from_url(self.url, socket_timeout=1) as redis:
            with suppress(RedisError):
                return await Backend(redis).publish(CHANNEL, type)
            return 0

    async def post(self, type: str, key: str = "") -> int:
        """Publish over HTTP, and return the status of the answer. ``key`` is an idempotency key."""
        return await self.ask("POST", "/api/publish", {"channels": [CHANNEL], "type": type}, key)

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> int:
        """Return the status of the HTTP API's answer. A 503 has to name the reason and when to try again."""
        headers = {"Idempotency-Key": key} if key else {}
        async with self.http.request(method, self.server.url + path, json=body, headers=headers) as response:
            if response.status == 503:
                assert (await response.json())["code"] == "UNAVAILABLE"
                assert int(response.headers["Retry-After"]) > 0
            return response.status

    def cpu_s(self) -> float:
        """Return the seconds of a processor that the server has used. A busy machine does not add to them."""
        stat = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    async def lagged(self, seconds: float) -> float:
        """Return how often the event loop was later than ``seconds``, which is a bucket of the histogram."""
        total = await self.metric("hornet_loop_lag_seconds_count")
        return total - await self.metric(f'hornet_loop_lag_seconds_bucket{{le="{seconds}"}}')

    async def connect(self, token: str | None = None) -> Client:
        """Connect a client. With a token it is in the channel on return."""
        auth = None if token is None else {"token": token, "channels": [CHANNEL]}
        client = await self._stack.enter_async_context(Client(f"{self.server.url}/", auth, ""))
        if token is not None:
            assert (await client.message())["type"] == "connected"
        return client

    async def enter(self, auth: object = None) -> Client:
        """Connect a client that authenticates with ``auth``, and don't wait for the answer."""
        return await self._stack.enter_async_context(Client(f"{self.server.url}/", auth, ""))

    async def get(self, path: str) -> Any:
        async with self.http.get(self.server.url + path) as response:
            return await response.json()

    async def stop(self) -> None:
        """Close the clients and stop the server. It must end as it should, and log no error of its own."""
        await self._stack.aclose()
        assert await asyncio.to_thread(self.server.stop) == 0
        for sign in ("Traceback", "is started again", "exception was never retrieved"):
            assert sign not in self.server.output


async def heard_until_end(client: Client) -> list[str]:
    """Return the types of the messages that a client receives before the message of type ``END``."""
    types: list[str] = []
    while True:
        message: dict[str, Any] = await client.message()
        assert message["channel"] == CHANNEL, json.dumps(message)
        if message["type"] == END:
            return types
        types.append(message["type"])


Watch = Callable[..., Awaitable[Watched]]


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words that start a server, with each event loop in turn."""
    return program_on(request.param)


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Starts servers. After the test each must stop as it should."""
    started: list[Watched] = []
    async with aiohttp.ClientSession() as http:

        async def start(
            redis: str, *options: str, backend: str = "", program: tuple[str, ...] = ()
        ) -> Watched:
            words = ("--port", "0", "--redis", redis, "--drain-window", "0", *QUICK, *options)
            watched = Watched(ServerProcess(*words, program=program), backend or redis, http)
            started.append(watched)
            await asyncio.to_thread(lambda: watched.server.url)
            return watched

        try:
            yield start
            for watched in started:
                await watched.stop()
        finally:
            for watched in started:
                watched.server.sweep()
                print(watched.server.output)
