"""A real server on a Redis that gets into trouble, and a client that stays with it."""

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
            found = re.search(rf"^{re.escape(name)} (\S+)$", await response.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def token(self) -> str:
        async with Redis.from_url(self.url) as redis:
            return await Backend(redis).token(CHANNEL)

    async def publish(self, type: str) -> int:
        """How many nodes heard it; 0 too when Redis would not take it."""
        async with Redis.from_url(self.url, socket_timeout=1) as redis:
            with suppress(RedisError):
                return await Backend(redis).publish(CHANNEL, type)
            return 0

    async def post(self, type: str, key: str = "") -> int:
        """Publish over HTTP; the status of the answer. ``key`` is an idempotency key."""
        return await self.ask("POST", "/api/publish", {"channels": [CHANNEL], "type": type}, key)

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> int:
        """The status with which the HTTP API answers; a 503 names the reason and says when to try again."""
        headers = {"Idempotency-Key": key} if key else {}
        async with self.http.request(method, self.server.url + path, json=body, headers=headers) as response:
            if response.status == 503:
                assert (await response.json())["code"] == "UNAVAILABLE"
                assert int(response.headers["Retry-After"]) > 0
            return response.status

    def cpu_s(self) -> float:
        """How many seconds of a processor the server has used: they don't grow because a machine is busy."""
        stat = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    async def lagged(self, seconds: float) -> float:
        """How many times the event loop was later than ``seconds``, one of the histogram's buckets."""
        total = await self.metric("hornet_loop_lag_seconds_count")
        return total - await self.metric(f'hornet_loop_lag_seconds_bucket{{le="{seconds}"}}')

    async def connect(self, token: str | None = None) -> Client:
        """A client; with a token it is let into the channel."""
        auth = None if token is None else {"token": token, "channels": [CHANNEL]}
        client = await self._stack.enter_async_context(Client(f"{self.server.url}/", auth, ""))
        if token is not None:
            assert (await client.message())["type"] == "connected"
        return client

    async def enter(self, auth: object = None) -> Client:
        """A client that says what it will."""
        return await self._stack.enter_async_context(Client(f"{self.server.url}/", auth, ""))

    async def get(self, path: str) -> Any:
        async with self.http.get(self.server.url + path) as response:
            return await response.json()

    async def stop(self) -> None:
        """It ends as it should, and nothing went wrong that Hornet did not expect."""
        await self._stack.aclose()
        assert await asyncio.to_thread(self.server.stop) == 0
        for sign in ("Traceback", "is started again", "exception was never retrieved"):
            assert sign not in self.server.output


async def heard_until_end(client: Client) -> list[str]:
    """The types of the messages that a client receives, up to the one that says that it was the last."""
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
    """Starts servers; after the test each must stop as it should."""
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
