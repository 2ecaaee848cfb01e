"""Clients that keep to the protocol, and must receive every message of their channels."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp

from benchmarks.soak.backend import CHANNELS, Backend
from benchmarks.soak.expected_deliveries import ExpectedDeliveries, Stay

GRACE_S = 3.0
"""How long a client that leaves waits for messages that were published before."""

ANSWER_S = 20.0
RETRY_S = 0.3
SEPARATOR = "\x1e"


class Lost(Exception):
    """The server ended a connection that it should have kept."""


class Refused(Exception):
    """The server refused a valid token: Redis was away, or had lost the token."""


class Transport(Protocol):
    async def send(self, packet: str) -> None: ...

    async def receive(self) -> str:
        """Wait for the next Engine.IO packet; raise Lost when the connection ends."""
        ...


class _WebSocket:
    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws

    async def send(self, packet: str) -> None:
        await self._ws.send_str(packet)

    async def receive(self) -> str:
        message = await self._ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Lost(f"the WebSocket ended with {message.type.name} {self._ws.close_code}")
        return str(message.data)


class _Polling:
    def __init__(self, http: aiohttp.ClientSession, url: str, headers: dict[str, str], opened: str) -> None:
        self._http = http
        self._url = f"{url}&sid={json.loads(opened[1:])['sid']}"
        self._headers = headers
        self._waiting: list[str] = [opened]

    async def send(self, packet: str) -> None:
        async with self._http.post(self._url, data=packet, headers=self._headers) as response:
            if response.status != 200:
                raise Lost(f"a POST was answered {response.status}")

    async def receive(self) -> str:
        while not self._waiting:
            async with self._http.get(self._url, headers=self._headers) as response:
                if response.status != 200:
                    raise Lost(f"a poll was answered {response.status}: {await response.text()}")
                self._waiting = (await response.text()).split(SEPARATOR)
        return self._waiting.pop(0)


@asynccontextmanager
async def _connected(http: aiohttp.ClientSession, url: str, address: str) -> AsyncIterator[Transport]:
    headers = {"X-Forwarded-For": address}
    if random.random() < 0.35:
        polling = f"{url}/socket.io/?EIO=4&transport=polling"
        async with http.get(polling, headers=headers) as response:
            opened = await response.text()
            if response.status != 200:
                raise Lost(f"a first poll was answered {response.status}: {opened}")
        yield _Polling(
            http, polling, headers, opened
        )  # nothing to close: the server ends a session without polls
    else:
        async with http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket", headers=headers) as ws:
            yield _WebSocket(ws)


class WellBehavedClient:
    """Connects again and again, each time for a random time and with other channels."""

    def __init__(
        self, name: str, http: aiohttp.ClientSession, url: str, backend: Backend, expected: ExpectedDeliveries
    ) -> None:
        self._name = name
        self._http, self._url = http, url
        self._backend, self._expected = backend, expected
        self._address = f"198.51.100.{random.randrange(1, 250)}"
        self._leave = asyncio.Event()
        self.stays = 0

    async def run(self, longest_s: float) -> None:
        """Connect and disconnect until ``leave``. A lost connection is noted as a complaint, not raised."""
        while not self._leave.is_set():
            try:
                await self._stay(random.uniform(2, longest_s))
                self.stays += 1
            except Refused:
                await asyncio.sleep(RETRY_S)
            except (Lost, aiohttp.ClientError, TimeoutError) as error:
                self._expected.complaints.append(f"{self._name} lost its connection: {error!r}")

    def leave(self) -> None:
        """Disconnect when all messages that were published before have come."""
        self._leave.set()

    async def _stay(self, time_s: float) -> None:
        channels = random.sample(CHANNELS, random.randrange(1, 4))
        token = await self._backend.token(*channels)
        async with _connected(self._http, self._url, self._address) as transport:
            await self._authenticate(transport, token, channels)
            loop = asyncio.get_running_loop()
            now = loop.time()
            stays = {channel: Stay(self._name, channel, now) for channel in channels}
            receiving = asyncio.create_task(self._receive(transport, stays))
            leaving = asyncio.create_task(self._leave.wait())
            try:
                await asyncio.wait({receiving, leaving}, timeout=time_s, return_when=asyncio.FIRST_COMPLETED)
                for stay in stays.values():
                    stay.until = loop.time()
                await asyncio.wait({receiving}, timeout=GRACE_S)
                if receiving.done():
                    receiving.result()
            finally:
                leaving.cancel()
                receiving.cancel()
                await asyncio.gather(leaving, receiving, return_exceptions=True)
        for stay in stays.values():
            self._expected.check(stay)

    async def _authenticate(self, transport: Transport, token: str, channels: list[str]) -> None:
        async with asyncio.timeout(ANSWER_S):
            await self._next(transport, "0")
            await transport.send("40" + json.dumps({"token": token, "channels": channels}))
            await self._next(transport, "40")
            answer = _message(await self._next(transport, "42"))
        if answer["type"] != "connected":
            raise Refused(answer.get("error"))

    async def _next(self, transport: Transport, start: str) -> str:
        while True:
            packet = await transport.receive()
            if packet == "2":
                await transport.send("3")
            elif packet.startswith(start):
                return packet
            elif packet in ("1", "41"):
                raise Lost("the server closed the session")

    async def _receive(self, transport: Transport, stays: dict[str, Stay]) -> None:
        while True:
            message = _message(await self._next(transport, "42"))
            if message["type"] == "n":
                stays[message["channel"]].received.append(message["number"])


def _message(packet: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(json.loads(packet[2:])[1])
    return message
