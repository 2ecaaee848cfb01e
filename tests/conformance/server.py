"""Starts the server under test in this process: Hornet's engine with short timings and a small application.

The application is the same as in ``reference/server.mjs``: what a test asks for by an event, it does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import socketio
from aiohttp import web

from hornet.engine import Engine, EngineSettings, Handshake, RestoredSession

SETTINGS = EngineSettings(
    ping_interval_s=0.3,
    ping_timeout_s=0.2,
    connect_timeout_s=0.3,
    upgrade_timeout_s=0.3,
    max_payload_bytes=20_000,
    max_packet_rate=100_000,  # Hornet's own limit; the tests ask and answer as fast as they can
    allowed_origins=("http://friend.example",),
)


@asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """A server on a free port, by its base URL."""
    hooks = DefaultNamespace()
    hooks.engine = engine = Engine(SETTINGS)
    engine.sio.register_namespace(CustomNamespace("/custom"))
    engine.sio.register_namespace(RefusingNamespace("/refused", "not here"))
    engine.sio.register_namespace(RefusingNamespace("/refused-with-data", "not here", {"code": 7}))
    app = web.Application()
    engine.attach(app)
    await engine.start(hooks)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    assert runner.server is not None
    factory = engine.protocol_factory(runner.server)  # as hornet-server has it
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield "http://{}:{}".format(*listening.sockets[0].getsockname())
    listening.close()
    await engine.stop()
    await runner.cleanup()


@dataclass(frozen=True)
class Published:
    """A message for a room, to be delivered as text."""

    body: object

    def message_text(self) -> str:
        return json.dumps(self.body)

    def event(self) -> tuple[str, object]:
        raise AssertionError("no session here asked for events")


class DefaultNamespace:
    """The application in ``/``, which belongs to the engine's hooks."""

    engine: Engine

    def __init__(self) -> None:
        self.auth: dict[str, object] = {}

    async def on_recover(self, handshake: Handshake, pid: str, offset: str) -> RestoredSession | None:
        return None

    async def on_connect(self, sid: str, handshake: Handshake) -> None:
        self.auth[sid] = handshake.auth
        self.engine.admit(sid)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        del self.auth[sid]

    async def on_event(self, sid: str, event: str, args: Sequence[Any]) -> object:
        match event, *args:
            case "echo", *_:
                self.engine.send(sid, "echoed", *args)
            case "ask", *_:
                return tuple(args)
            case ["whoami"]:
                return {"id": sid, "auth": self.auth[sid]}
            case "join", str(room):
                self.engine.enter(sid, room)
            case "say", str(room), *words:
                await self.engine.sio.emit("said", tuple(words), room=room)
            case "publish", str(room), message:
                self.engine.fan_out(room, Published(message))
            case "count", int(count):
                for number in range(count):
                    self.engine.send(sid, "number", number)
            case ["drop"]:
                self.engine.close(sid)
        return None


class CustomNamespace(socketio.AsyncNamespace):  # type: ignore[misc]  # the stock class has no types
    """The part of the application that plug-ins' namespaces are tested with."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.auth: dict[str, object] = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        self.auth[sid] = auth

    async def on_disconnect(self, sid: str, reason: str) -> None:
        del self.auth[sid]

    async def on_echo(self, sid: str, *args: Any) -> None:
        await self.emit("echoed", args, to=sid)

    async def on_ask(self, sid: str, *args: Any) -> tuple[Any, ...]:
        return args

    async def on_whoami(self, sid: str) -> dict[str, object]:
        return {"id": sid, "auth": self.auth[sid]}

    async def on_kick(self, sid: str) -> None:
        await self.disconnect(sid)


class RefusingNamespace(socketio.AsyncNamespace):  # type: ignore[misc]  # the stock class has no types
    """Refuses every connection, and says why."""

    def __init__(self, namespace: str, *reasons: object) -> None:
        super().__init__(namespace)
        self._reasons = reasons

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        raise socketio.exceptions.ConnectionRefusedError(*self._reasons)
