"""The client's side of the engine tests: requests, polls and WebSockets to one server, and its events."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import socketio
from aiohttp import web

from hornet.engine import Engine, Handshake
from tests.e2e.waiting import DEADLINE_S

WAIT_S = DEADLINE_S

T = TypeVar("T")


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds. No event announces that, so check in each turn of the loop."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    app: web.Application,
    ssl_context: ssl.SSLContext | None = None,
    engine: Engine | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[str]:
    """Serve an application on a free port with aiohttp's own defaults; yields its origin.

    With an ``engine``, connections come through its handshake protocol, as in ``hornet-server``.

    Not aiohttp's ``TestServer``: that one cancels the handler of a connection that is cut, which a server
    in use does not.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    factory = runner.server if engine is None else engine.protocol_factory(runner.server)
    with socket.create_server((host, 0)) as listening:
        server = await asyncio.get_running_loop().create_server(factory, sock=listening, ssl=ssl_context)
        scheme = "https" if ssl_context else "http"
        try:
            yield f"{scheme}://{host}:{listening.getsockname()[1]}"
        finally:
            server.close()
            await runner.cleanup()


@dataclass
class Caller:
    """A client of a server under test. A subclass is that server's application, and records its events.

    ``patience_s`` is how long it waits for what a server that works does at once.
    """

    url: str = ""
    patience_s: float = WAIT_S
    http: aiohttp.ClientSession = field(init=False)
    connected: asyncio.Queue[tuple[str, Handshake]] = field(default_factory=asyncio.Queue)
    websockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)
    events: list[tuple[str, Sequence[object]]] = field(default_factory=list)
    gone: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)

    @property
    def sio(self) -> socketio.AsyncServer:
        """Return the server. All sessions of its default namespace are in the room ``all``."""
        raise NotImplementedError

    def polls(self, eio_sid: str) -> bool:
        """Return True if a poll of that session waits in the server."""
        raise NotImplementedError

    async def in_time(self, awaited: Awaitable[T]) -> T:
        """Wait for the result.

        Raises:
            AssertionError: it took too long.
        """
        try:
            async with asyncio.timeout(self.patience_s):
                return await awaited
        except TimeoutError:
            raise AssertionError(f"nothing within {self.patience_s} s") from None

    async def last_gone(self) -> tuple[str, str]:
        return await self.in_time(self.gone.get())

    async def get(self, **query: str) -> aiohttp.ClientResponse:
        """Send a request to the endpoint, and read the response."""
        async with self.http.get(self.url, params=query) as response:
            await response.read()
            return response

    async def open_polling(self, eio: int = 4) -> tuple[str, str]:
        """Connect by polling; return the session id of Engine.IO and that of Socket.IO."""
        opened = (await (await self.get(EIO=str(eio), transport="polling")).text()).split("\x1e")
        eio_sid = json.loads(opened[0][opened[0].index("{") : opened[0].rindex("}") + 1])["sid"]
        if eio == 4:
            await self.post(eio_sid, "40")
            await self.poll(eio_sid)
        sid, _ = await self.connected.get()
        return eio_sid, sid

    async def post(self, eio_sid: str, body: str | bytes) -> int:
        async with self.http.post(
            self.url, params={"EIO": "4", "transport": "polling", "sid": eio_sid}, data=body
        ) as response:
            await response.read()
            return response.status

    async def poll(self, eio_sid: str) -> str:
        """Poll, and return the body of the answer."""
        return await (await self.get(EIO="4", transport="polling", sid=eio_sid)).text()

    async def websocket(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket, which is closed after the test."""
        ws: aiohttp.ClientWebSocketResponse = await self.http.ws_connect(url, **options)
        self.websockets.append(ws)
        return ws

    async def open_websocket(self, **options: Any) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        """Connect by WebSocket; return the socket and the session id of Socket.IO."""
        ws = await self.websocket(self.url + "?EIO=4&transport=websocket", max_msg_size=0, **options)
        assert (await ws.receive_str()).startswith("0{")
        await ws.send_str("40")
        assert (await ws.receive_str()).startswith("40{")
        sid, _ = await self.connected.get()
        return ws, sid
