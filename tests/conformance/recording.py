"""The two servers of the differential run: the Node reference and Hornet, with the same small application.

The application answers the event ``ask`` with its arguments, and records what it received by the ``case`` in
the query of the session.
"""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import socketio
from aiohttp import web
from yarl import URL

from hornet.engine import Engine, EngineSettings, Handshake, RestoredSession
from tests.e2e.javascript import NODE, node_environment
from tests.e2e.waiting import DEADLINE_S

REFERENCE = Path(__file__).parent / "reference"
NAMESPACES = ("/", "/custom")


@dataclass
class Recorder:
    """A server under test: its address, and what its application received in each case."""

    host: str = ""
    port: int = 0
    received: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def record(self, case: str, what: list[Any]) -> None:
        self.received[case].append(what)
        async with self.changed:
            self.changed.notify_all()

    async def left(self, case: str) -> None:
        """Wait until a session of a case has joined and left."""
        async with asyncio.timeout(DEADLINE_S), self.changed:
            await self.changed.wait_for(lambda: any(what[0] == "left" for what in self.received[case]))


@asynccontextmanager
async def node_recorder() -> AsyncIterator[Recorder]:
    """Run the reference."""
    recorder = Recorder()
    process = await asyncio.create_subprocess_exec(
        str(NODE), "recording.mjs", cwd=REFERENCE, stdin=PIPE, stdout=PIPE, env=node_environment()
    )
    assert process.stdout is not None
    assert process.stdin is not None
    lines = process.stdout
    url = URL(json.loads(await lines.readline()))
    recorder.host, recorder.port = str(url.host), url.port or 0

    async def read() -> None:
        async for line in lines:
            said = json.loads(line)
            await recorder.record(said["case"], said["what"])

    reading = asyncio.create_task(read())
    try:
        yield recorder
    finally:
        process.stdin.close()
        await process.wait()
        await reading


@asynccontextmanager
async def hornet_recorder() -> AsyncIterator[Recorder]:
    """Run Hornet's engine in this process."""
    recorder = Recorder()
    engine = Engine(
        EngineSettings(
            max_payload_bytes=20_000, max_packet_rate=100_000, allowed_origins=("http://friend.example",)
        )
    )
    engine.sio.register_namespace(_CustomNamespace(recorder))
    app = web.Application()
    engine.attach(app)
    await engine.start(_DefaultNamespace(recorder))
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    assert runner.server is not None
    factory = engine.protocol_factory(runner.server)
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    recorder.host, recorder.port = listening.sockets[0].getsockname()
    try:
        yield recorder
    finally:
        listening.close()
        await engine.stop()
        await runner.cleanup()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


class _DefaultNamespace:
    """The application in ``/``."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._cases: dict[str, str] = {}

    async def on_recover(self, handshake: Handshake, pid: str, offset: str) -> RestoredSession | None:
        return None

    async def on_connect(self, sid: str, handshake: Handshake) -> None:
        case = self._cases[sid] = _case_of(handshake)
        await self._recorder.record(case, ["joined", "/", _plain(handshake.auth or {})])

    async def on_event(self, sid: str, event: str, args: Sequence[Any]) -> object:
        await self._recorder.record(self._cases[sid], ["event", "/", [event, *_plain(list(args))]])
        return tuple(args) if event == "ask" else asyncio.get_running_loop().create_future()

    async def on_disconnect(self, sid: str, reason: str) -> None:
        await self._recorder.record(self._cases.pop(sid), ["left", "/", reason])


class _CustomNamespace(socketio.AsyncNamespace):  # type: ignore[misc]  # the stock class has no types
    """The application in ``/custom``, as a plug-in has it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__("/custom")
        self._recorder = recorder
        self._cases: dict[str, str] = {}

    async def trigger_event(self, event: str, sid: str, *args: Any) -> Any:
        if event == "connect":
            environ, auth = args[0], args[1] if len(args) > 1 else None
            case = self._cases[sid] = _case_of(environ["hornet.handshake"])
            await self._recorder.record(case, ["joined", "/custom", _plain(auth or {})])
        elif event == "disconnect":
            with suppress(KeyError):
                await self._recorder.record(self._cases.pop(sid), ["left", "/custom", str(args[0])])
        else:
            await self._recorder.record(self._cases[sid], ["event", "/custom", [event, *_plain(list(args))]])
            return args if event == "ask" else None
        return None


def _case_of(handshake: Handshake) -> str:
    return handshake.query["case"][0]
