"""The Engine.IO server that python-socketio finds under its seam.

python-socketio asks for the methods below. The sessions themselves are in ``transport.session_table``;
the two pass sessions and messages to each other directly, without a coroutine for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiohttp import web

from hornet.engine.transport.endpoint import Endpoint
from hornet.engine.transport.session_table import SessionTable
from hornet.engine.types import Reason
from hornet.engine.wire.payloads import Packet


class EngineIoAdapter:
    """python-engineio's ``AsyncServer``, as far as python-socketio uses it.

    ``table`` holds the sessions. python-socketio also passes options of python-engineio, which have no
    meaning here.
    """

    async_mode = "aiohttp"

    def __init__(self, *, table: SessionTable, **ignored: Any) -> None:
        self.table = table
        self.endpoint = Endpoint(table)
        self.generate_id = table.generate_id  # the method itself, which saves each connection a call
        self._tasks: set[asyncio.Task[Any]] = set()
        """Background tasks that run; the event loop itself holds a task only weakly."""

    def on(self, event: str, handler: Callable[..., Any] | None = None) -> None:
        """Ignore a handler: the table calls the Socket.IO server directly."""

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Answer requests to the path, with and without a slash at its end."""
        self.endpoint.attach(app, engineio_path)

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer one request to the Engine.IO path."""
        return await self.endpoint.handle(request)

    async def send(self, sid: str, data: Packet) -> None:
        """Send one message to a session; do nothing for an unknown one."""
        session = self.table.sessions.get(sid)
        if session is not None:
            session.write(data if isinstance(data, bytes) else "4" + data)

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send one packet of python-engineio's class; do nothing for an unknown session."""
        session = self.table.sessions.get(sid)
        if session is not None:
            session.write(pkt.encode())

    async def disconnect(self, sid: str | None = None) -> None:
        """Close a session, or all of them."""
        sessions = list(self.table.sessions.values()) if sid is None else [self.table.sessions.get(sid)]
        for session in sessions:
            if session is not None:
                session.close(Reason.FORCED_CLOSE)

    def transport(self, sid: str) -> str:
        """Return the name of a session's transport."""
        return "polling" if self.table.sessions[sid].ws is None else "websocket"

    async def get_session(self, sid: str) -> dict[str, Any]:
        """Return the data that plug-ins keep with a session."""
        session = self.table.sessions[sid]
        if session.plugin_data is None:
            session.plugin_data = {}
        return session.plugin_data

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        """Replace the data that plug-ins keep with a session."""
        self.table.sessions[sid].plugin_data = session

    def session(self, sid: str) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Lend the data that plug-ins keep with a session, and save them afterwards."""

        @asynccontextmanager
        async def plugin_data() -> AsyncIterator[dict[str, Any]]:
            session = await self.get_session(sid)
            yield session
            await self.save_session(sid, session)

        return plugin_data()

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function in a task, which is kept until it ends."""
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        """Return a new event of the event loop."""
        return asyncio.Event()

    async def shutdown(self) -> None:
        """Do nothing: the engine stops as a whole."""
