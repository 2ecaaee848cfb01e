"""The Node process with the clients, and the server that gives them tokens."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from redis.exceptions import RedisError

from benchmarks.continuity.ledger import Ledger
from benchmarks.errors import RunFailed
from hornet.connector.aio import AsyncConnector

PROGRAM = Path(__file__).parent / "clients.mjs"
LINE_BYTES = 1 << 24
TOKEN_TTL_S = 60
STOP_S = 5.0
TRANSPORTS = (("polling",), ("websocket",), ("polling", "websocket"))
DELIVERIES = ("message", "event")


@dataclass(frozen=True, slots=True)
class Javascript:
    """A Node, and the folder and the name under which it finds a stock client."""

    node: Path
    folder: Path
    module: str = "socket.io-client"


class TokenServer:
    """Answers each request with a token for its ``channels``, which the connector makes."""

    def __init__(self, redis_port: Callable[[], int]) -> None:
        self.url = ""
        self._redis_port = redis_port
        self._connectors: dict[int, AsyncConnector] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        for connector in self._connectors.values():
            await connector.close()

    async def _answer(self, request: web.Request) -> web.Response:
        port = self._redis_port()
        if port not in self._connectors:
            self._connectors[port] = AsyncConnector(f"redis://127.0.0.1:{port}/0", ttl=TOKEN_TTL_S)
        try:
            token = await self._connectors[port].create_access_token(request.query["channels"].split(","))
        except (RedisError, OSError, TimeoutError):
            return web.Response(status=503)
        return web.Response(text=token)


class Clients:
    """All clients, each in some channels, over every transport and with both deliveries."""

    def __init__(
        self,
        ledger: Ledger,
        count: int,
        chosen: random.Random,
        channels_of_each: int,
        clock: Callable[[], float],
    ) -> None:
        names = list(ledger.numbers)
        self.channels = [sorted(chosen.sample(names, channels_of_each)) for _ in range(count)]
        self.inside: set[int] = set()
        """The clients that are let in at the moment."""
        self.recoverable = False
        self.errors: dict[str, int] = {}
        self._ledger, self._clock = ledger, clock
        self._known: set[int] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def start(self, javascript: Javascript, balancer: str, tokens: str) -> None:
        words = [str(PROGRAM), str(javascript.folder), javascript.module, balancer, tokens]
        self._process = await asyncio.create_subprocess_exec(
            str(javascript.node), *words,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        assert self._process.stdin is not None
        clients = []
        for client, channels in enumerate(self.channels):
            self._ledger.expect(client, channels)
            transports = TRANSPORTS[client % len(TRANSPORTS)]
            delivery = DELIVERIES[client // len(TRANSPORTS) % len(DELIVERIES)]
            clients.append(
                {"client": client, "channels": channels, "transports": transports, "delivery": delivery}
            )
        self._process.stdin.write(json.dumps(clients).encode() + b"\n")

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def check(self) -> None:
        """Do nothing while the process works.

        Raises:
            RunFailed: it ended, or its output could not be understood.
        """
        if self._reading is not None and self._reading.done():
            self._reading.result()
            raise RunFailed("the process of the clients has ended")

    async def wait_until_inside(self, deadline_s: float) -> None:
        """Wait until every client is let in.

        Raises:
            RunFailed: some were not, within ``deadline_s``.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while len(self.inside) < len(self.channels):
                    self.check()
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            outside = sorted(set(range(len(self.channels))) - self.inside)
            raise RunFailed(f"clients {outside} were not let in within {deadline_s:.0f} s") from None

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            now = self._clock()
            for what, client, *facts in json.loads(line):
                self._take(what, client, facts, now)
            self._changed.set()
        self._changed.set()

    def _take(self, what: str, client: int, facts: Sequence[Any], now: float) -> None:
        if what == "number":
            channel, number = facts
            self._ledger.received(client, channel, number, now)
        elif what == "connect":
            recovered, self.recoverable = facts
            if recovered:
                self._ledger.count("recovered")
            elif client in self._known:
                self._ledger.count("fresh")
                self._ledger.told(client, self.channels[client])
            self._known.add(client)
        elif what == "in":
            self.inside.add(client)
        elif what == "gap":
            self._ledger.count("gaps")
            named = self.channels[client] if facts[0] is None else facts[0]
            self._ledger.told(client, named)
        elif what == "disconnect":
            self._ledger.count("drops")
            self.inside.discard(client)
        else:
            name = f"{what} {facts[0]}"
            self.errors[name] = self.errors.get(name, 0) + 1
