"""Clients that attack the server. Other clients must not be affected."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp

from benchmarks.soak.backend import BIG, Backend

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"
PATIENCE_S = 4.0
EXPECTED = (aiohttp.ClientError, OSError, TimeoutError, ValueError, EOFError)

MESSAGES: tuple[str | bytes, ...] = (
    "42" + "[" * 100_000,
    '42["a",' + '{"a":' * 200 + "1" + "}" * 200 + "]",
    '42["a",' + "9" * 100_000 + "]",
    "4511-" + json.dumps(["a", *({"_placeholder": True, "num": number} for number in range(11))]),
    '451-["a",{"_placeholder":true,"num":0}]',
    "40",
    "43999[]",
    "9",
    b"\xc1" * 100,
    "42" + "x" * 2_000_000,
    '42["connect"]',
    '42["message","{}"]',
    '42["hornet:subscribe",{"channel":"private-x"}]',
    "\x00",
)

REQUESTS = (
    b"\x00" * 500,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ",
    b"",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 6000,
    b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
)


class AbusiveClient:
    """Attacks the server, each time in a random way and from another address."""

    def __init__(self, http: aiohttp.ClientSession, url: str, backend: Backend) -> None:
        self._http, self._url, self._backend = http, url, backend
        self._port = int(url.rpartition(":")[2])
        self.attacks: Counter[str] = Counter()
        self._ways: tuple[Callable[[dict[str, str]], Awaitable[None]], ...] = (
            self._send_broken_http, self._send_broken_packets, self._flood_events, self._guess_tokens,
            self._open_many_sessions, self._pile_up_polls, self._use_foreign_origin, self._read_nothing,
        )  # fmt: skip

    async def run(self) -> None:
        """Attack until cancelled."""
        while True:
            way = random.choice(self._ways)
            headers = {"X-Forwarded-For": f"192.0.2.{random.randrange(1, 250)}"}
            with suppress(
                aiohttp.ClientError, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError
            ):
                async with asyncio.timeout(30):
                    await way(headers)
            self.attacks[way.__name__.strip("_")] += 1

    @asynccontextmanager
    async def _open(self, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self._http.ws_connect(self._url + WEBSOCKET, headers=headers) as ws:
            await ws.send_str("40")
            yield ws

    async def _send_broken_http(self, headers: dict[str, str]) -> None:
        del headers
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(random.choice(REQUESTS))
            async with asyncio.timeout(PATIENCE_S):
                await reader.read()
        finally:
            writer.close()

    async def _send_broken_packets(self, headers: dict[str, str]) -> None:
        async with self._open(headers) as ws:
            message = random.choice(MESSAGES)
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            async with asyncio.timeout(PATIENCE_S):
                async for _ in ws:
                    pass

    async def _flood_events(self, headers: dict[str, str]) -> None:
        async with self._open(headers) as ws:
            for _ in range(1000):
                await ws.send_str('42["message","{}"]')
            async with asyncio.timeout(PATIENCE_S):
                async for _ in ws:
                    pass

    async def _guess_tokens(self, headers: dict[str, str]) -> None:
        async with self._open(headers) as ws:
            for _ in range(20):
                credentials = json.dumps({"token": f"{random.getrandbits(48):x}", "channel": "channel-1"})
                await ws.send_str("42" + json.dumps(["message", credentials]))
            await asyncio.sleep(random.random())

    async def _open_many_sessions(self, headers: dict[str, str]) -> None:
        for _ in range(50):
            async with self._http.get(self._url + POLLING, headers=headers) as response:
                await response.read()

    async def _pile_up_polls(self, headers: dict[str, str]) -> None:
        async with self._http.get(self._url + POLLING, headers=headers) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        url = f"{self._url}{POLLING}&sid={sid}"

        async def ask(method: str, body: bytes | None) -> None:
            async with self._http.request(method, url, data=body, headers=headers) as response:
                await response.read()

        polls = [ask("GET", None) for _ in range(5)]
        posts = [ask("POST", b"4garbage\x1e" * 50) for _ in range(5)]
        await asyncio.gather(*polls, *posts, return_exceptions=True)

    async def _use_foreign_origin(self, headers: dict[str, str]) -> None:
        async with self._http.get(
            self._url + POLLING, headers={**headers, "Origin": "https://evil.example"}
        ) as response:
            await response.read()

    async def _read_nothing(self, headers: dict[str, str]) -> None:
        """Join the channel with the big messages with a valid token, then stop reading."""
        token = await self._backend.token(BIG)
        narrow = socket.socket()
        # By default the kernel would take megabytes for the client.
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", self._port))
        reader, writer = await asyncio.open_connection(sock=narrow, limit=1024)
        try:
            lines = (
                f"GET {WEBSOCKET}&token={token}&channel={BIG} HTTP/1.1",
                "Host: a",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                f"X-Forwarded-For: {headers['X-Forwarded-For']}",
            )
            writer.write("\r\n".join((*lines, "", "")).encode() + b"\x81\x82\0\0\0\0" + b"40")
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(25)
        finally:
            writer.transport.abort()
