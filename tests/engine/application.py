"""An engine in the test's own event loop, with an application that records the calls of its hooks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import socketio
from aiohttp import web
from redis.asyncio import Redis

from hornet.engine import Engine, EngineSettings, Handshake, Publish, RestoredSession
from hornet.engine.transport.polling import PollingTransport
from tests.engine.caller import Caller, serving


@dataclass(frozen=True)
class Text:
    """Make a message with a body of text, for ``fan_out``."""

    body: str

    def message_text(self) -> str:
        return self.body

    def event(self) -> tuple[str, object]:
        return "news", {"body": self.body}


@dataclass
class Application(Caller):
    """Hooks that record their calls, and answer events by name."""

    engine: Engine = field(init=False)
    later: dict[str, asyncio.Future[object]] = field(default_factory=dict)
    """What answers the events ``later``, by their argument."""
    recoveries: list[tuple[str, str]] = field(default_factory=list)
    """The pids and offsets of clients that came back."""
    restore: Callable[[str], Awaitable[RestoredSession | None]] | None = None
    """Returns what a client with that pid gets; without it, there is nothing to return to."""
    greeting: tuple[str, ...] = ()
    """Events that a session gets when it connects."""
    admits: bool = True
    """Whether each session counts as one with a valid credential."""
    departures: asyncio.Event = field(default_factory=asyncio.Event)
    """Handled while it is set, as it is at the start."""

    def __post_init__(self) -> None:
        self.departures.set()

    @property
    def sio(self) -> socketio.AsyncServer:
        return self.engine.sio

    def polls(self, eio_sid: str) -> bool:
        transport = self.engine.sio.eio.table.sessions[eio_sid].transport
        return isinstance(transport, PollingTransport) and transport.has_poll

    async def on_recover(self, handshake: Handshake, pid: str, offset: str) -> RestoredSession | None:
        self.recoveries.append((pid, offset))
        return None if self.restore is None else await self.restore(pid)

    async def on_connect(self, sid: str, handshake: Handshake) -> None:
        self.engine.enter(sid, "all")
        if self.admits:
            self.engine.admit(sid)
        for event in self.greeting:
            self.engine.send(sid, event)
        self.connected.put_nowait((sid, handshake))

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        self.events.append((event, args))
        match event:
            case "echo":
                self.engine.send(sid, "echo", *args)
            case "fail":
                raise RuntimeError("a bug in a hook")
            case "later":
                later = self.later[str(args[0])] = asyncio.get_running_loop().create_future()
                return later
        return tuple(args)

    async def on_disconnect(self, sid: str, reason: str) -> None:
        await self.departures.wait()
        self.gone.put_nowait((sid, reason))


@asynccontextmanager
async def running(
    settings: EngineSettings | None = None,
    redis_url: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    *,
    through_handshake: bool = False,
    host: str = "127.0.0.1",
    admits: bool = True,
    recovers: bool = False,
) -> AsyncIterator[Application]:
    """Serve an engine, with an HTTP client that has no limit of its own."""
    application = Application(admits=admits)
    async with AsyncExitStack() as stack:
        publish = (
            None if redis_url is None else await stack.enter_async_context(sharing(application, redis_url))
        )
        application.engine = Engine(settings or EngineSettings(), publish=publish, recovers=recovers)
        yield await stack.enter_async_context(
            _served(application, ssl_context, through_handshake=through_handshake, host=host)
        )


@asynccontextmanager
async def sharing(application: Application, redis_url: str) -> AsyncIterator[Publish]:
    """Pass messages of other processes on this Redis to the engine; yield the way to send to them."""
    async with Redis.from_url(redis_url) as redis, redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe("socketio")

        async def listen() -> None:
            async for message in pubsub.listen():
                application.engine.receive(message["data"])

        async def publish(text: str) -> None:
            await redis.publish("socketio", text)

        listening = asyncio.create_task(listen())
        yield publish
        listening.cancel()
        await asyncio.wait((listening,))


@asynccontextmanager
async def _served(
    application: Application, ssl_context: ssl.SSLContext | None, *, through_handshake: bool, host: str
) -> AsyncIterator[Application]:
    app = web.Application()
    application.engine.attach(app)
    await application.engine.start(application)
    async with (
        serving(app, ssl_context, application.engine if through_handshake else None, host) as origin,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as application.http,
    ):
        application.url = origin + application.engine.settings.path
        try:
            yield application
        finally:
            await asyncio.gather(*(ws.close() for ws in application.websockets))
            await application.engine.stop()
