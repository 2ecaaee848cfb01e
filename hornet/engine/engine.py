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
from hornet.engine.socketio.manager import Alias, LocalManager, Publish, RedisManager
from hornet.engine.socketio.server import SocketIoServer
from hornet.engine.transport.connection_limit import ConnectionLimiter
from hornet.engine.transport.direct_write import WriteLeases, find_send_each
from hornet.engine.transport.handshake import HandshakeProtocol
from hornet.engine.transport.pipelining import Pipelining
from hornet.engine.transport.request_limit import RequestLimiter
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.short_way import ServerHandler, short_way
from hornet.engine.types import Hooks, Reason
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import (
    BY_EVENT,
    OFFSETS,
    POSITIONS,
    PreparedMessage,
    PreparedPacket,
    WireFormat,
)

STOP_TIMEOUT_S = 2.0
"""How long ``stop`` waits for clients to answer a Close frame, and for hooks to return."""


class Engine:
    """All Socket.IO clients of this node: their connections, their rooms, and the messages to them.

    Sessions and rooms are those of the main namespace (``/``). All methods but ``start`` and ``stop`` return
    at once, and may be called from any callback of the event loop.
    """

    def __init__(
        self,
        settings: EngineSettings,
        *,
        publish: Publish | None = None,
        alias: Alias | None = None,
        recovers: bool = False,
    ) -> None:
        """Make an engine that accepts no session before ``start``.

        ``publish`` sends a text to other python-socketio processes, whose own texts are passed to
        :meth:`receive`; without it the engine is alone. ``alias`` returns the room that other processes mean
        by a name that no room has. With ``recovers``, a client that asks for it gets a pid, and may come back
        to its session: see ``Hooks.on_recover``.
        """
        self.settings = settings
        self._counts = Counts()
        leases = WriteLeases()
        send_each = find_send_each() if settings.compiled else None
        self.is_compiled = send_each is not None
        """Whether messages are written by the compiled part."""
        self._fanout = FanOut(counts=self._counts, leases=leases, send_each=send_each)
        self._manager = (
            LocalManager(fanout=self._fanout, alias=alias)
            if publish is None
            else RedisManager(fanout=self._fanout, publish=publish, alias=alias)
        )
        self._server = SocketIoServer(
            settings=settings,
            counts=self._counts,
            leases=leases,
            manager=self._manager,
            fanout=self._fanout,
            recovers=recovers,
        )
        self._table = self._manager.table("/")
        self.connection_limiter = ConnectionLimiter(settings, self._counts)
        self._request_limiter = RequestLimiter(settings, self._counts)
        self.pipelining = Pipelining(self._server.sessions, self.connection_limiter)
        self._gc_tuning = GcTuning()
        self.sio: socketio.AsyncServer = self._server
        """For plug-ins: python-socketio's interface, for namespaces of their own and for emitting.

        The main namespace is Hornet's: handlers registered for it are not called.
        """

    # Life ----------------------------------------------------------------------------------------

    def attach(self, app: web.Application) -> None:
        """Answer the Socket.IO path of an application, and limit the request rate of each address.

        When the application stops, it waits for requests under way, and some of them are polls. So the
        sessions are closed before.
        """
        self._request_limiter.attach(app)
        self._server.eio.attach(app, self.settings.path)
        app.on_shutdown.append(self._on_shutdown)

    def protocol_factory(
        self, server: web.Server, http: Callable[[], asyncio.Protocol] | None = None
    ) -> Callable[[], asyncio.Protocol]:
        """Return the protocol factory for the server's socket.

        WebSockets open at once, and other requests go to ``http``, which makes connections of ``server``; by
        default the server makes them itself. The factory also limits how many
        connections there are, in all and of each address. The engine works without it, at a higher price for
        each connection. An application whose middleware decides who may connect must not use it: a WebSocket
        that opens here passes no middleware.
        """
        table, endpoint, limiter = self._server.sessions, self._server.eio.endpoint, self.connection_limiter
        limiter.count_connections_of(server)
        connect = http or server
        return lambda: HandshakeProtocol(table=table, endpoint=endpoint, limiter=limiter, http=connect)

    def handler(self, app: web.Application, handle: ServerHandler) -> ServerHandler:
        """Return a handler of all requests to an application that the engine is attached to.

        Requests to the Socket.IO path take a shorter way than the application's own ``handle``, where that
        makes no difference to them.
        """
        return short_way(app, self._server.eio.endpoint, self._request_limiter, handle)

    async def start(self, hooks: Hooks) -> None:
        """Accept sessions and call ``hooks`` for them, from now on.

        Also carries out the requests of other processes from now on, and tunes the garbage collector.
        """
        self._gc_tuning.start()
        self._server.start(hooks)

    def receive(self, payload: bytes) -> None:
        """Carry out a request of a python-socketio process in the background, if there is ``publish``.

        Raises:
            ValueError: it is no such request.
        """
        if isinstance(self._manager, RedisManager):
            self._manager.receive(payload)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self.settings = settings
        self._server.sessions.configure(settings)
        self.connection_limiter.configure(settings)
        self._request_limiter.configure(settings)

    @property
    def is_accepting(self) -> bool:
        """Whether new sessions are accepted."""
        return self._server.sessions.is_accepting

    def stop_accepting(self) -> None:
        """Refuse new sessions from now on (503); those that are there stay."""
        self._server.sessions.stop_accepting()

    async def stop(self) -> None:
        """Close every session, and return when all hooks have returned. Clients reconnect by themselves."""
        self._close_all()
        workers = [
            session.inbox.task for session in self._manager.sessions.values() if session.inbox is not None
        ]
        if workers:
            await asyncio.wait(workers, timeout=STOP_TIMEOUT_S)
        await self._server.stop(STOP_TIMEOUT_S)
        self._gc_tuning.stop()

    async def _on_shutdown(self, _: web.Application) -> None:
        self._close_all()

    def _close_all(self) -> None:
        """Close every session, and accept no other: aiohttp would wait for the polls of a new one."""
        self.stop_accepting()
        for session in list(self._manager.sessions.values()):
            self._fanout.flush(session)
            session.close(Reason.SHUTDOWN, 1001)

    @property
    def unfetched(self) -> int:
        """How many closed sessions have last packets that their clients have not fetched by polling yet."""
        return sum(not session.is_open for session in self._server.sessions.sessions.values())

    # Counting ------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counts:
        """The counts of the engine since it was made. Only the engine changes them."""
        return self._counts

    def count_no_free_file(self) -> None:
        """Count a connection that the process could not accept, since no file is left for it."""
        self._counts.refused[codes.SERVER_FULL] += 1

    def count_unknown_host(self) -> None:
        """Count a request for a page under a host name that is not this server's."""
        self._counts.refused[codes.UNKNOWN_HOST] += 1

    def count_slow_head(self) -> None:
        """Count a connection whose next request did not come within the handshake timeout."""
        self._counts.refused[codes.HANDSHAKE_TIMEOUT] += 1

    def count_bad_http(self) -> None:
        """Count a request that aiohttp refused because it is no HTTP."""
        self._counts.malformed[codes.BAD_HTTP] += 1

    def address_of(self, request: web.Request) -> str:
        """Return the address of the client that sent a request, seen through trusted proxies."""
        return self._request_limiter.address_of(request)

    # Sessions ------------------------------------------------------------------------------------

    @property
    def sessions(self) -> int:
        """How many sessions are connected to the main namespace."""
        return len(self._table.everyone.members)

    def set_delivery(self, sid: str, delivery: Delivery) -> None:
        """Choose how a session gets the messages of ``fan_out``; ``Delivery.MESSAGE`` until then."""
        self._set_form(sid, BY_EVENT, is_wanted=delivery is Delivery.EVENT)

    def set_positions(self, sid: str, are_wanted: bool) -> None:
        """Choose whether a session's messages from ``fan_out`` and ``tell`` have the field ``position``."""
        self._set_form(sid, POSITIONS, is_wanted=are_wanted)

    def _set_form(self, sid: str, form: WireFormat, *, is_wanted: bool) -> None:
        session = self._table.get(sid)
        if session is not None and bool(session.wire_format & form) != is_wanted:
            session.set_format(session.wire_format ^ form)

    def admit(self, sid: str) -> None:
        """Let a session send as much as one with a valid credential may; until then it may send little."""
        session = self._table.get(sid)
        if session is not None:
            session.admit()

    def close(self, sid: str) -> None:
        """Close the transport of a session after all earlier messages. The client reconnects."""
        session = self._table.get(sid)
        if session is not None:
            self._fanout.flush(session)
            session.close(Reason.FORCED_CLOSE)

    def disconnect(self, sid: str) -> None:
        """Send Socket.IO's DISCONNECT to a session after all earlier messages, and close its transport.

        A stock client does not reconnect by itself after a DISCONNECT.
        """
        session = self._table.get(sid)
        if session is not None:
            self._server.disconnect_session(session)

    def end_silently(self, sid: str) -> None:
        """End a session whose client came back: cut its transport, and free its id and rooms at once.

        ``on_disconnect`` is not called for it. Its client, if it is still there, connects again by itself.
        """
        session = self._table.get(sid)
        if session is not None:
            self._server.arrivals.end_silently(session)

    def count_rooms(self, prefix: str) -> int:
        """Count the rooms with a member whose names begin with ``prefix``. This looks at each room."""
        return self._table.count(prefix)

    def unsent_bytes(self) -> int:
        """Sum up the data that wait for clients. This asks each session, so don't call it often."""
        return sum(session.unsent_bytes for session in self._manager.sessions.values())

    # Rooms ---------------------------------------------------------------------------------------

    def enter(self, sid: str, room: str) -> bool:
        """Put a session into a room; True when it is the room's first member on this node.

        A session that is not connected (any more) enters nothing, and the result is False.
        """
        return self._table.enter(sid, room)

    def leave(self, sid: str, room: str) -> bool:
        """Take a session out of a room; True when the room is empty afterwards."""
        return self._table.leave(sid, room)

    def members(self, room: str) -> Collection[str]:
        """Return the ids of a room's members: a view, which changes as they come and go."""
        return self._table.members(room)

    # Sending -------------------------------------------------------------------------------------

    def set_offset(self, offset: str) -> None:
        """Give this offset to each event that is sent from now on, also by plug-ins and other processes.

        It consists of ASCII letters, digits, ``-`` and ``_``. Only the clients that recover, and those that
        want positions, get it. The methods below take an ``offset`` of their own for an event that is sent
        again.
        """
        self._fanout.offset = offset

    @property
    def offset(self) -> str:
        """The offset that events get now; empty before the first :meth:`set_offset`."""
        return self._fanout.offset

    def _offset(self, offset: str | None) -> str:
        return self._fanout.offset if offset is None else offset

    def send(self, sid: str, event: str, *args: object, offset: str | None = None) -> None:
        """Queue an event for one session, behind all earlier messages; ignore an unknown session.

        Raises:
            ValueError, TypeError: an argument can't be sent as JSON (or bytes).
        """
        session = self._table.get(sid)
        if session is None or not session.is_open:
            return
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]), self._offset(offset))
        message.check(session.wire_format)
        self._fanout.to_session(session, message)

    def emit(self, sids: Collection[str], event: str, *args: object, offset: str | None = None) -> int:
        """Queue an event for several sessions, encoded once; return how many of them are on this node.

        Each session gets the message behind all earlier ones.

        Raises:
            ValueError, TypeError: an argument can't be sent as JSON (or bytes).
        """
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]), self._offset(offset))
        message.check(0)
        sessions = [session for sid in sids if (session := self._table.get(sid)) is not None]
        return self._fanout.to_sessions(sessions, message)

    def tell(self, sid: str, message: Outgoing | PreparedMessage, *, offset: str | None = None) -> None:
        """Queue a message for one session, in the form it wants; nothing for an unknown session.

        For a message that many sessions get one after the other, pass the same ``PreparedMessage`` each time:
        it is encoded once, and once for each offset that it is sent with.
        """
        session = self._table.get(sid)
        if session is None or not session.is_open:
            return
        if not isinstance(message, PreparedMessage):
            message = PreparedMessage(message, self._offset(offset))
        elif session.wire_format & OFFSETS:
            message = message.at(self._offset(offset))
        self._fanout.to_session(session, message)

    def send_room(self, room: str, event: str, *args: object, offset: str | None = None) -> int:
        """Queue an event for the members of a room, encoded once; return how many they are.

        Raises:
            ValueError, TypeError: an argument can't be sent as JSON (or bytes).
        """
        message = PreparedPacket(SioPacket(Type.EVENT, [event, *args]), self._offset(offset))
        message.check(0)
        return self._fanout.to_room(self._table.room(room), message)

    def fan_out(
        self,
        room: str,
        message: Outgoing,
        *,
        only: Collection[str] | None = None,
        skip: Collection[str] = (),
        offset: str | None = None,
    ) -> int:
        """Queue a message for the members of a room, encoded once; return how many get it.

        ``only`` and ``skip`` are session ids: of the members, only those named, and not those named.
        """
        members = self._table.room(room)
        prepared = PreparedMessage(message, self._offset(offset))
        if only is None and not skip:
            return self._fanout.to_room(members, prepared)
        return self._fanout.to_sessions(_select(members.members, only, skip), prepared)


def _select(
    members: Mapping[str, EngineSession], only: Collection[str] | None, skip: Collection[str]
) -> list[EngineSession]:
    """Return the members that ``only`` names, or else all of them, without those that ``skip`` names."""
    if only is None:
        return [session for sid, session in members.items() if sid not in skip]
    return [members[sid] for sid in only if sid in members and sid not in skip]
