"""The engine as the rest of Hornet sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

import socketio
from aiohttp import web

from hornet.core import codes
from hornet.core.messages import Delivery, Outgoing
from hornet.engine.counts import Counts
from hornet.engine.gc_tuning import GcTuning
from hornet.engine.rooms.broadcast import FanOut
from hornet.engine.settings import EngineSettings
from hornet.engine.socketio.manager import LocalManager, Publish, RedisManager
from hornet.engine.socketio.server import SocketIoServer
from hornet.engine.transport.connection_limit import ConnectionLimiter
from hornet.engine.transport.direct_write import WriteLeases, find_send_each
from hornet.engine.transport.handshake import HandshakeProtocol
from hornet.engine.transport.request_limit import RequestLimiter
from hornet.engine.transport.session import EngineSession
from hornet.engine.types import Hooks, Reason
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import BY_EVENT, PreparedMessage, PreparedPacket

STOP_TIMEOUT_S = 2.0
"""How long ``stop`` waits for clients to answer a Close frame, and for hooks to return."""


class Engine:
    """Every Socket.IO client of this node: who is connected, who is in which room, and what is sent to them.

    All but ``start`` and ``stop`` return at once and may be called from any callback of the loop.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        publish: Publish | None = None,
        alias: Callable[[str], str] | None = None,
    ) -> None:
        """``publish`` tells other python-socketio processes; what they tell is for :meth:`hear`.
        ``alias`` gives the room that other python-socketio processes mean by a name that no room has.
        The engine accepts no session before ``start``."""
        self.settings = settings
        self._counts = Counts()
        self._registry = LocalManager() if publish is None else RedisManager(publish)
        self._registry.alias = alias
        self._fanout = self._registry.fanout = FanOut(
            self._counts, leases := WriteLeases(), find_send_each() if settings.compiled else None
        )
        self._server = SocketIoServer(settings, self._counts, leases, self._registry, self._fanout)
        self._table = self._registry.table("/")
        self.connection_limiter = ConnectionLimiter(settings, self._counts)
        self._request_limiter = RequestLimiter(settings, self._counts)
        self._collector = GcTuning()
        self._told: tuple[Outgoing, PreparedMessage] | None = None
        self.sio: socketio.AsyncServer = self._server
        """For plug-ins: their own namespaces, and emitting, by python-socketio's interface.

        The default namespace is Hornet's: handlers registered on it are not called.
        """

    # Life ----------------------------------------------------------------------------------------

    def attach(self, app: web.Application) -> None:
        """Answer the Socket.IO path of an application, and bound how many requests an address may make of it.

        When the application stops, sessions are closed before it waits for the requests under way: polls
        are some of them.
        """
        self._request_limiter.attach(app)
        self._server.eio.attach(app, self.settings.path)
        app.on_shutdown.append(self._let_go)

    def protocol_factory(self, http: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Return the protocol factory for the server's socket: WebSockets open at once, other requests go to
        ``http``.

        It also limits how many connections there are, in all and of each address. The engine works without
        it, at a higher price for each connection. An application whose middleware decides who may connect
        must not use it: a WebSocket that opens here passes no middleware.
        """
        table, endpoint, limiter = self._server.sessions, self._server.eio.endpoint, self.connection_limiter
        if isinstance(http, web.Server):
            limiter.count_connections_of(http)
        return lambda: HandshakeProtocol(table=table, endpoint=endpoint, limiter=limiter, http=http)

    async def start(self, hooks: Hooks) -> None:
        """Accept sessions from now on, and tell ``hooks`` of them.

        Also begins to do what other nodes tell, and sets the garbage collector.
        """
        self._collector.start()
        self._server.start(hooks)

    def hear(self, payload: bytes) -> None:
        """Do what another python-socketio process told, in the background; nothing without ``publish``."""
        if isinstance(self._registry, RedisManager):
            self._registry.hear(payload)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self.settings = settings
        self._server.sessions.configure(settings)
        self.connection_limiter.configure(settings)
        self._request_limiter.configure(settings)

    @property
    def counts(self) -> Counts:
        """What the engine has counted since it was made; only the engine changes it."""
        return self._counts

    def count_no_free_file(self) -> None:
        """Count a connection that the process could not accept, since no file is left for it."""
        self._counts.refused[codes.SERVER_FULL] += 1

    def count_bad_http(self) -> None:
        """Count a request that aiohttp refused because it is no HTTP."""
        self._counts.malformed[codes.BAD_HTTP] += 1

    @property
    def is_accepting(self) -> bool:
        """Whether new sessions are let in."""
        return self._server.sessions.is_accepting

    def stop_accepting(self) -> None:
        """Refuse new sessions from now on (503); those that are there stay."""
        self._server.sessions.is_accepting = False

    async def stop(self) -> None:
        """Close every session (clients reconnect elsewhere by themselves), and return when all hooks have."""
        await self._let_go()
        workers = [
            session.inbox.task for session in self._registry.sessions.values() if session.inbox is not None
        ]
        if workers:
            await asyncio.wait(workers, timeout=STOP_TIMEOUT_S)
        await self._server.sessions.stop(STOP_TIMEOUT_S)
        await self._registry.aclose()
        self._collector.stop()

    async def _let_go(self, _: web.Application | None = None) -> None:
        """Close every session. One that opened now would be waited for by whoever stops the application."""
        self.stop_accepting()
        for session in list(self._registry.sessions.values()):
            self._fanout.flush(session)
            session.close(Reason.SHUTDOWN, 1001)

    # Sessions ------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """How many sessions are connected to the default namespace."""
        return len(self._table.everyone.members)

    def set_delivery(self, sid: str, delivery: Delivery) -> None:
        """Choose how a session gets the messages of ``fan_out``; ``Delivery.MESSAGE`` until then."""
        session = self._table.get(sid)
        if session is not None and bool(session.wire_format & BY_EVENT) is not (delivery is Delivery.EVENT):
            session.set_format(session.wire_format ^ BY_EVENT)

    def close(self, sid: str) -> None:
        """Close the transport of a session, after what was sent to it before. The client reconnects."""
        session = self._table.get(sid)
        if session is not None:
            self._fanout.flush(session)
            session.close(Reason.FORCED_CLOSE)

    def disconnect(self, sid: str) -> None:
        """Send Socket.IO's DISCONNECT to a session, after what was sent before, and close its transport.

        A stock client does not reconnect by itself after a DISCONNECT.
        """
        session = self._table.get(sid)
        if session is not None:
            self._server.dismiss(session)

    @property
    def rooms(self) -> int:
        """How many rooms have a member, beside the one that each session is for itself."""
        return len(self._table)

    def unsent_bytes(self) -> int:
        """How much waits to be read by clients, all together. Asks each session: for now and then."""
        return sum(session.unsent_bytes for session in self._registry.sessions.values())

    # Rooms ---------------------------------------------------------------------------------------

    def enter(self, sid: str, room: str) -> bool:
        """Put a session into a room; True when it is the room's first member on this node.

        False as well for a session that is not (or no longer) there, which enters nothing.
        """
        return self._table.enter(sid, room)

    def leave(self, sid: str, room: str) -> bool:
        """Take a session out of a room; True when the room is empty afterwards."""
        return self._table.leave(sid, room)

    def members(self, room: str) -> Collection[str]:
        """The ids of the sessions in a room: a view, which changes as they come and go."""
        return self._table.members(room)

    # Sending -------------------------------------------------------------------------------------

    def send(self, sid: str, event: str, *args: object) -> None:
        """Queue one event for one session, behind what it was sent before; none for an unknown session.

        Raises:
            ValueError, TypeError: an argument that can't be sent as JSON (or bytes).
        """
        session = self._table.get(sid)
        if session is None or not session.is_open:
            return
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]))
        message.check(session.wire_format)
        self._fanout.to_session(session, message)

    def emit(self, sids: Collection[str], event: str, *args: object) -> int:
        """Queue one event for several sessions, behind what they were sent before; returns how many are here.

        Raises:
            ValueError, TypeError: an argument that can't be sent as JSON (or bytes).
        """
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]))
        message.check(0)
        found = [session for sid in sids if (session := self._table.get(sid)) is not None]
        return self._fanout.to_sessions(found, message)

    def tell(self, sid: str, message: Outgoing) -> None:
        """Queue one message for one session, in the form it wants.

        Telling the same object to one session after the other encodes it once: it must not change.
        """
        session = self._table.get(sid)
        if session is not None and session.is_open:
            if self._told is None or self._told[0] is not message:
                self._told = message, PreparedMessage(message)
            self._fanout.to_session(session, self._told[1])

    def send_room(self, room: str, event: str, *args: object) -> int:
        """Queue one event for the members of a room, encoded once; returns how many they are.

        Raises:
            ValueError, TypeError: an argument that can't be sent as JSON (or bytes).
        """
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]))
        message.check(0)
        return self._fanout.to_room(self._table.room(room), message)

    def fan_out(
        self, room: str, message: Outgoing, *, only: Collection[str] | None = None, skip: Collection[str] = ()
    ) -> int:
        """Queue a message for the members of a room; returns how many they are.

        ``only`` and ``skip`` are session ids: of the members, only those named, and not those named.
        """
        found = self._table.room(room)
        prepared = PreparedMessage(message)
        if only is None and not skip:
            return self._fanout.to_room(found, prepared)
        return self._fanout.to_sessions(_select(found.members, only, skip), prepared)


def _select(
    members: Mapping[str, EngineSession], only: Collection[str] | None, skip: Collection[str]
) -> list[EngineSession]:
    if only is None:
        return [session for sid, session in members.items() if sid not in skip]
    return [members[sid] for sid in only if sid in members and sid not in skip]
