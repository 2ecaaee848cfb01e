"""The Engine.IO server that python-socketio finds under its seam.

python-socketio asks little of its engine: the methods below. Between the two, sessions and messages
are handed over directly, without a coroutine for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol

from aiohttp import web

from hornet.core.limits import AddressLimiter
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.endpoint import Endpoint
from hornet.engine.transport.handshake import Doorway
from hornet.engine.transport.ids import generate_ids
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.timer_wheel import TimerWheel
from hornet.engine.transport.websocket import WebSocketTransport
from hornet.engine.types import Handshake, Reason
from hornet.engine.wire.payloads import Packet


class SessionListener(Protocol):
    """What the Engine.IO server needs of the Socket.IO server on top of it."""

    def on_opened(self, session: EngineSession) -> None: ...

    def on_message(self, session: EngineSession, message: Packet) -> None: ...

    def on_ended(self, session: EngineSession, reason: Reason) -> None: ...


def tick_s(settings: EngineSettings) -> float:
    """How exact timeouts are: a fortieth of the shortest one, between 5 ms and a quarter of a second.

    The coarser, the more sessions are pinged in one turn of the loop, and the less a turn costs each of them.
    """
    shortest = min(
        settings.ping_interval_s,
        settings.ping_timeout_s,
        settings.connect_timeout_s,
        settings.upgrade_timeout_s,
    )
    return max(0.005, min(0.25, shortest / 40))


class EngineIoServer:
    """All Engine.IO sessions of one node."""

    async_mode = "aiohttp"

    def __init__(
        self, *, settings: EngineSettings, counts: Counts, leases: WriteLeases, **ignored: Any
    ) -> None:
        self.settings = settings
        self.counts = counts
        self.leases = leases
        self.wheel = TimerWheel(tick_s(settings))
        self.sockets: dict[str, EngineSession] = {}
        self.addresses = AddressLimiter()
        self.closing: set[WebSocketTransport] = set()
        self.above: SessionListener
        self._all_closed: asyncio.Event | None = None
        self.endpoint = Endpoint(self)
        self.paths: set[bytes] = set()
        """Where the endpoint is; known once it is attached."""
        self.doorways: set[Doorway] = set()
        self.is_accepting = True
        self._ids = generate_ids()
        self._tasks: set[asyncio.Task[Any]] = set()
        can_upgrade = {"polling", "websocket"} <= set(settings.transports)
        self._upgrades = {"polling": '["websocket"]' if can_upgrade else "[]", "websocket": "[]"}
        self.configure(settings)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on, and tell the clients to come."""
        self.settings = settings
        self._timings = (
            f'"pingInterval":{round(settings.ping_interval_s * 1000)},'
            f'"pingTimeout":{round(settings.ping_timeout_s * 1000)},'
            f'"maxPayload":{settings.max_payload_bytes}'
        )

    # For the endpoint ----------------------------------------------------------------------------

    def open(self, handshake: Handshake, wire_format: int, transport: str) -> EngineSession:
        """A new session, with the packets that open it in its queue."""
        sid = self.generate_id()
        session = EngineSession(self, sid, handshake, wire_format, asyncio.get_running_loop().time())
        self.sockets[sid] = session
        self.counts.opened[f"{transport}/{handshake.protocol}"] += 1
        session.queue.append(self._dump_open(sid, transport))
        self.above.on_opened(session)
        return session

    def _dump_open(self, sid: str, transport: str) -> str:
        return f'0{{"sid":"{sid}","upgrades":{self._upgrades[transport]},{self._timings}}}'

    async def stop(self, timeout_s: float) -> None:
        """Wait for clients to answer their Close frames, then cut them off."""
        if self.closing:
            self._all_closed = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._all_closed.wait()
        for link in list(self.closing):
            link.abort_soon()
        for doorway in list(self.doorways):
            doorway.abort()
        self.wheel.stop()

    # For sessions --------------------------------------------------------------------------------

    def on_message(self, session: EngineSession, message: Packet) -> None:
        self.above.on_message(session, message)

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        self.counts.closed[reason.value] += 1
        self.addresses.leave(session.handshake.address)
        self.above.on_ended(session, reason)

    def on_link_closed(self, link: WebSocketTransport) -> None:
        self.closing.discard(link)
        if not self.closing and self._all_closed is not None:
            self._all_closed.set()

    def on_gone(self, session: EngineSession) -> None:
        self.sockets.pop(session.eio_sid, None)

    # What python-socketio asks for ---------------------------------------------------------------

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> None:
        """Nothing: the Socket.IO server is told directly."""

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Answer requests to the path, with and without a slash at its end."""
        path = "/" + engineio_path.strip("/")
        for one in (path, path + "/"):
            app.router.add_route("*", one, self.handle_request)
            self.paths.add(one.encode())

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        return await self.endpoint.handle(request)

    async def send(self, sid: str, data: Packet) -> None:
        session = self.sockets.get(sid)
        if session is not None:
            session.write(data if isinstance(data, bytes) else "4" + data)

    async def send_packet(self, sid: str, pkt: Any) -> None:
        session = self.sockets.get(sid)
        if session is not None:
            session.write(pkt.encode())

    async def disconnect(self, sid: str | None = None) -> None:
        for session in list(self.sockets.values()) if sid is None else [self.sockets.get(sid)]:
            if session is not None:
                session.close(Reason.FORCED_CLOSE)

    def transport(self, sid: str) -> str:
        return "polling" if self.sockets[sid].ws is None else "websocket"

    async def get_session(self, sid: str) -> dict[str, Any]:
        session = self.sockets[sid]
        if session.plugin_data is None:
            session.plugin_data = {}
        return session.plugin_data

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        self.sockets[sid].plugin_data = session

    def session(self, sid: str) -> AbstractAsyncContextManager[dict[str, Any]]:
        @asynccontextmanager
        async def plugin_data() -> AsyncIterator[dict[str, Any]]:
            session = await self.get_session(sid)
            yield session
            await self.save_session(sid, session)

        return plugin_data()

    def generate_id(self) -> str:
        return next(self._ids)

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        return asyncio.Event()

    async def shutdown(self) -> None:
        """Nothing: the engine stops as a whole."""
