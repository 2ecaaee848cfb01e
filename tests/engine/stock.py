"""The library's own server, set up as in its documentation, behind the same interface as Hornet's engine.

It shows that a test of a fault finds the fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio
from aiohttp import web

from hornet.engine import EngineSettings, Handshake
from tests.engine.caller import Caller, serving

PATIENCE_S = 0.5


@dataclass
class StockApplication(Caller):
    """Handlers that record their calls, and acknowledge every event with its arguments."""

    patience_s: float = PATIENCE_S
    server: socketio.AsyncServer = field(init=False)

    @property
    def sio(self) -> socketio.AsyncServer:
        return self.server

    def polls(self, eio_sid: str) -> bool:
        return bool(self.server.eio.sockets[eio_sid].queue._getters)

    async def on_connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        await self.server.enter_room(sid, "all")
        address = environ["REMOTE_ADDR"]
        self.connected.put_nowait((sid, Handshake(auth, {}, {}, address, 4, address)))

    async def on_event(self, event: str, sid: str, *args: object) -> tuple[object, ...]:
        self.events.append((event, args))
        return args

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.gone.put_nowait((sid, reason))


@asynccontextmanager
async def running_stock(settings: EngineSettings | None = None) -> AsyncIterator[StockApplication]:
    """Serve a stock server, with those of Hornet's settings that it knows."""
    settings = settings or EngineSettings()
    application = StockApplication()
    application.server = socketio.AsyncServer(
        async_mode="aiohttp",
        ping_interval=settings.ping_interval_s,
        ping_timeout=settings.ping_timeout_s,
        max_http_buffer_size=settings.max_payload_bytes,
        cors_allowed_origins="*" if "*" in settings.allowed_origins else list(settings.allowed_origins),
    )
    application.server.on("connect", application.on_connect)
    application.server.on("disconnect", application.on_disconnect)
    application.server.on("*", application.on_event)
    app = web.Application()
    application.server.attach(app, settings.path)
    before = asyncio.all_tasks()
    async with (
        serving(app) as origin,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as application.http,
    ):
        application.url = origin + settings.path
        try:
            yield application
        finally:
            await asyncio.gather(*(ws.close() for ws in application.websockets))
            await application.server.shutdown()
    left = asyncio.all_tasks() - before
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
