"""An engine in the test's own event loop, with an application that records what its hooks are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from hornet.engine import Engine, EngineSettings, Handshake

WAIT_S = 10.0


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; nothing tells of it, so each turn of the loop asks."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Text:
    """A message with a body of text, for ``fan_out``."""

    body: str

    def message_text(self) -> str:
        return self.body

    def event(self) -> tuple[str, object]:
        return "news", {"body": self.body}


@dataclass
class Application:
    """Hooks that keep what they are told, and answer events by name."""

    engine: Engine = field(init=False)
    url: str = ""
    http: aiohttp.ClientSession = field(init=False)
    connected: asyncio.Queue[tuple[str, Handshake]] = field(default_factory=asyncio.Queue)
    websockets: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)
    events: list[tuple[str, Sequence[object]]] = field(default_factory=list)
    gone: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)

    async def on_connect(self, sid: str, handshake: Handshake) -> None:
        self.engine.enter(sid, "all")
        self.connected.put_nowait((sid, handshake))

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        self.events.append((event, args))
        match event:
            case "echo":
                self.engine.send(sid, "echo", *args)
            case "fail":
                raise RuntimeError("a bug in a hook")
        return tuple(args)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.gone.put_nowait((sid, reason))

    async def last_gone(self) -> tuple[str, str]:
        async with asyncio.timeout(WAIT_S):
            return await self.gone.get()

    async def get(self, **query: str) -> aiohttp.ClientResponse:
        """A request to the endpoint; the response has been read."""
        async with self.http.get(self.url, params=query) as response:
            await response.read()
            return response

    async def open_polling(self, eio: int = 4) -> tuple[str, str]:
        """Connect by polling; the engine's session id and Socket.IO's."""
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
        """The body of the next poll."""
        return await (await self.get(EIO="4", transport="polling", sid=eio_sid)).text()

    async def websocket(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket that is closed after the test."""
        ws: aiohttp.ClientWebSocketResponse = await self.http.ws_connect(url, **options)
        self.websockets.append(ws)
        return ws

    async def open_websocket(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        """Connect by WebSocket; the socket and Socket.IO's session id."""
        ws = await self.websocket(self.url + "?EIO=4&transport=websocket", max_msg_size=0)
        assert (await ws.receive_str()).startswith("0{")
        await ws.send_str("40")
        assert (await ws.receive_str()).startswith("40{")
        sid, _ = await self.connected.get()
        return ws, sid


@asynccontextmanager
async def serving(app: web.Application, engine: Engine | None) -> AsyncIterator[str]:
    """The endpoint's URL on a free port; behind the doorway of ``engine``, if one is given."""
    if engine is None:
        async with TestServer(app, host="127.0.0.1") as server:
            yield str(server.make_url("/socket.io/"))
        return
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    factory = engine.doorway(runner.server)
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/socket.io/"
    listening.close()
    await runner.cleanup()


@asynccontextmanager
async def running(
    settings: EngineSettings | None = None, redis_url: str | None = None, *, doorway: bool = False
) -> AsyncIterator[Application]:
    """A served engine, and an HTTP client that no limit of its own slows down."""
    application = Application()
    application.engine = Engine(settings or EngineSettings(), application, redis_url=redis_url)
    app = web.Application()
    application.engine.attach(app)
    await application.engine.start()
    async with (
        serving(app, application.engine if doorway else None) as application.url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as application.http,
    ):
        try:
            yield application
        finally:
            await asyncio.gather(*(ws.close() for ws in application.websockets))
            await application.engine.stop()
