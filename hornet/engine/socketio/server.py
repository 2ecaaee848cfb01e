"""python-socketio's server, with the main namespace (``/``) handed to Hornet's hooks.

Other namespaces, which plug-ins register, go through python-socketio's own handlers. Each client's packets
are parsed and dumped in its own protocol version and parser. ``tests/engine/test_seams.py`` pins the members
that are overridden.

Sections that are named here are those of the Socket.IO protocol
(https://github.com/socketio/socket.io-protocol).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import socketio

from hornet.core import codes
from hornet.engine.counts import Counts
from hornet.engine.errors import Malformed
from hornet.engine.rooms.broadcast import FanOut
from hornet.engine.settings import EngineSettings
from hornet.engine.socketio.arrivals import Arrivals
from hornet.engine.socketio.client_packets import parse_message
from hornet.engine.socketio.compat import SOCKETIO_LOG, Environs, ErrorsAsWarnings
from hornet.engine.socketio.engineio_adapter import EngineIoAdapter
from hornet.engine.socketio.manager import RoomManager
from hornet.engine.socketio.not_started import NotStarted
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_table import SessionTable
from hornet.engine.types import FollowedAnswer, Hooks, Reason
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.payloads import Packet
from hornet.engine.wire.prepared import (
    MSGPACK,
    PreparedPacket,
    SharedAcknowledgement,
    SharedAnswer,
)

log = logging.getLogger(__name__)


class SocketIoServer(socketio.AsyncServer):  # type: ignore[misc]  # the stock class has no types
    """The Socket.IO protocol on top of the Engine.IO sessions; accepts none before ``start``."""

    eio: EngineIoAdapter
    manager: RoomManager

    def __init__(
        self,
        *,
        settings: EngineSettings,
        counts: Counts,
        leases: WriteLeases,
        manager: RoomManager,
        fanout: FanOut,
        recovers: bool,
    ) -> None:
        self.sessions = SessionTable(settings=settings, counts=counts, leases=leases, listener=self)
        super().__init__(client_manager=manager, logger=SOCKETIO_LOG, table=self.sessions)
        self.environ = Environs(manager.sessions)
        self._fanout = fanout
        self._counts = counts
        self._hooks: Hooks = NotStarted()
        self.arrivals = Arrivals(sessions=self.sessions, manager=manager, counts=counts, recovers=recovers)
        self._table = manager.table("/")
        self._log_filter = ErrorsAsWarnings()

    def _engineio_server_class(self) -> type[EngineIoAdapter]:
        return EngineIoAdapter

    def start(self, hooks: Hooks) -> None:
        """Accept sessions, call ``hooks`` for them, and serve requests of other processes, from now on."""
        SOCKETIO_LOG.addFilter(self._log_filter)
        self._hooks = self.arrivals.hooks = hooks
        self.manager_initialized = True
        self.manager.initialize()
        self.sessions.start_accepting()

    async def stop(self, timeout_s: float) -> None:
        """Cut every connection that is not closed within the timeout, and undo ``start``."""
        await self.sessions.stop(timeout_s)
        await self.manager.aclose()
        SOCKETIO_LOG.removeFilter(self._log_filter)

    # From the session table (``SessionListener``) ------------------------------------------------

    def on_opened(self, session: EngineSession) -> None:
        """Register a session that opened.

        A session of Engine.IO 3 is connected to the main namespace by that alone (section "Difference between
        v5 and v4").
        """
        self.manager.sessions[session.eio_sid] = session
        if session.handshake.protocol == 3:
            self.arrivals.connect(session, None)

    def on_message(self, session: EngineSession, message: Packet) -> None:
        """Handle one message; the first one shows which parser the client has.

        Raises:
            Malformed: the message is no packet, or one that may not come now.
        """
        pending_binary = session.pending_binary
        if pending_binary is not None:
            if isinstance(message, str):
                raise Malformed(codes.BAD_PACKET, "an attachment was to come")
            size = sum(map(len, pending_binary.attachments)) + len(message)
            if size > session.max_message_bytes:
                raise Malformed(codes.TOO_BIG, "the attachments are too big", 1009)
            if pending_binary.attach(message):
                session.pending_binary = None
                self._dispatch(session, pending_binary)
            return
        if isinstance(message, bytes) and not session.is_greeted:
            session.set_format(session.wire_format | MSGPACK)
        packet = parse_message(
            message,
            self.sessions.settings,
            protocol=session.handshake.protocol,
            is_msgpack=bool(session.wire_format & MSGPACK),
            is_newcomer=session.newcomer is not None,
        )
        if packet.waits_for:
            session.pending_binary = packet
        else:
            self._dispatch(session, packet)

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        """Take an ended session out of its namespaces, after all that it sent before has been handled."""
        session.pending_binary = None
        if session.sid is None and session.namespace_sids is None and session.inbox is None:
            self.manager.sessions.pop(session.eio_sid, None)
            return
        session.do(self._leave_namespaces, session, reason)

    async def _leave_namespaces(self, session: EngineSession, reason: Reason) -> None:
        """Take an ended session out of all its namespaces, even if a handler fails."""
        try:
            if session.sid is not None:
                await self._leave_main_namespace(session, session.sid, reason)
            for namespace in list(session.namespace_sids or ()):
                await self._handle_disconnect(session.eio_sid, namespace, reason.value)
        finally:
            for namespace, sid in list((session.namespace_sids or {}).items()):
                self.manager.remove(sid, namespace)
            self.manager.sessions.pop(session.eio_sid, None)

    # Packets -------------------------------------------------------------------------------------

    def _dispatch(self, session: EngineSession, packet: SioPacket) -> None:
        if packet.type in (Type.ACK, Type.BINARY_ACK):
            self._handle_acknowledgement(session, packet)
        elif packet.namespace != "/":
            session.do(self._handle_plugin_namespace, session, packet, size=packet.size)
        elif packet.type is not Type.CONNECT:
            session.do(self._handle_main_namespace, session, packet, size=packet.size)
        elif self.arrivals.may_connect(session):
            self.arrivals.connect(session, packet.data)
        else:
            raise Malformed(codes.ALREADY_CONNECTED, "the client is connected to the namespace already")

    def _handle_acknowledgement(self, session: EngineSession, packet: SioPacket) -> None:
        """Resolve the call that a client answers, ahead of other jobs: a handler may wait for the answer."""
        if self.manager.sid_from_eio_sid(session.eio_sid, packet.namespace) is None:
            raise Malformed(codes.NOT_CONNECTED, "an answer from a namespace that was not joined")
        callback = self.manager.take_callback(session, packet.namespace, packet.id)
        if callback is None:
            self._counts.unknown_answers += 1
        else:
            self.eio.start_background_task(_call_back, callback, packet.data)

    async def _handle_main_namespace(self, session: EngineSession, packet: SioPacket) -> None:
        """Handle a packet of the main namespace; all packets before it have been handled."""
        if session.sid is None:
            self._refuse(session)
        elif packet.type in (Type.EVENT, Type.BINARY_EVENT):
            await self._handle_main_event(session, session.sid, packet)
        else:
            await self._leave_main_namespace(session, session.sid, Reason.CLIENT_DISCONNECT)

    async def _handle_plugin_namespace(self, session: EngineSession, packet: SioPacket) -> None:
        """Handle a packet of a plug-in's namespace; all packets before it have been handled."""
        eio_sid, namespace = session.eio_sid, packet.namespace
        joined = session.namespace_sids is not None and namespace in session.namespace_sids
        if joined == (packet.type is Type.CONNECT):
            self._refuse(session)
        elif packet.type is Type.CONNECT:
            await self._connect_plugin_namespace(session, packet)
            if session.namespace_sids is not None and namespace in session.namespace_sids:
                session.admit()  # the plug-in decides who may connect
        elif packet.type in (Type.EVENT, Type.BINARY_EVENT):
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            await self._handle_event_internal(self, sid, eio_sid, packet.data, namespace, packet.id)
        else:
            await self._handle_disconnect(eio_sid, namespace, Reason.CLIENT_DISCONNECT.value)

    def _refuse(self, session: EngineSession) -> None:
        """Close a session whose packet is for a namespace that it has not joined, or has joined already."""
        if session.is_open:
            self._counts.malformed[codes.NOT_CONNECTED] += 1
            session.end(Reason.PARSE_ERROR, 1002)

    async def _handle_main_event(self, session: EngineSession, sid: str, packet: SioPacket) -> None:
        event, *args = packet.data
        result = await self._hooks.on_event(sid, event, args)
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: self._acknowledge_late(session, sid, packet.id, done))
        elif isinstance(result, FollowedAnswer):
            self._acknowledge(session, packet.id, result.value)
            result.follow()
        else:
            self._acknowledge(session, packet.id, result)

    def _acknowledge(self, session: EngineSession, number: int | None, result: object) -> None:
        """Send an ACK, if the client asked for one by an id (section "Acknowledgement")."""
        if number is None:
            return
        if isinstance(result, SharedAnswer):
            self._fanout.to_session(session, SharedAcknowledgement(result, number))
        else:
            answer = list(result) if isinstance(result, tuple) else [] if result is None else [result]
            self._fanout.to_session(session, PreparedPacket(SioPacket(Type.ACK, answer, id=number)))

    def _acknowledge_late(
        self, session: EngineSession, sid: str, number: int | None, done: asyncio.Future[object]
    ) -> None:
        """Send the ACK of an event that was handled beside others; none when its handler failed."""
        if done.cancelled():
            return
        try:
            result = done.result()
            if session.sid == sid and session.is_open:
                self._acknowledge(session, number, result)
        except Exception:  # a plug-in or hook may raise any exception, or return a value that can't be sent
            self._counts.hook_errors += 1
            log.exception("A handler failed")

    async def _leave_main_namespace(self, session: EngineSession, sid: str, reason: Reason) -> None:
        """Call the hook, then take an id out of the main namespace. Its rooms list it until then."""
        if session.sid != sid:
            return
        try:
            await self._hooks.on_disconnect(sid, reason.value)
        finally:
            if session.sid == sid:  # else another session has the id by now
                self.manager.remove(sid, "/")

    async def _connect_plugin_namespace(self, session: EngineSession, packet: SioPacket) -> None:
        """Connect a client to a plug-in's namespace, by python-socketio's rules.

        Section "Connection to a namespace": a client that may not connect gets a CONNECT_ERROR.
        """
        namespace = packet.namespace
        known = (
            namespace in self.handlers
            or namespace in self.namespace_handlers
            or "*" in self.namespace_handlers
            or self.namespaces == "*"
            or namespace in self.namespaces
        )
        if not known:
            self._send(session, SioPacket(Type.CONNECT_ERROR, {"message": "Invalid namespace"}, namespace))
        elif session.is_open:
            await self._handle_connect(session.eio_sid, namespace, packet.data)

    def _send(self, session: EngineSession, packet: SioPacket) -> None:
        """Send a packet of the protocol, in the client's version of it."""
        if packet.type is Type.CONNECT_ERROR and not isinstance(packet.data, dict):
            packet.data = {"message": str(packet.data)}
        if session.handshake.protocol == 3:
            if packet.type is Type.CONNECT:
                packet.data = None
            elif packet.type is Type.CONNECT_ERROR:
                packet.data = packet.data.get("data", packet.data.get("message"))
        self._fanout.to_session(session, PreparedPacket(packet, self._fanout.offset))

    # From python-socketio ------------------------------------------------------------------------

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        """Send a packet of python-socketio. Whether it has binary is found again when it is dumped."""
        session = self.manager.sessions.get(eio_sid)
        if session is not None:
            plain = {Type.BINARY_EVENT: Type.EVENT, Type.BINARY_ACK: Type.ACK}
            packet_type = Type(pkt.packet_type)
            data = None if packet_type is Type.DISCONNECT else pkt.data
            self._send(
                session, SioPacket(plain.get(packet_type, packet_type), data, pkt.namespace or "/", pkt.id)
            )

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a session, on whichever node it is; a stock client does not reconnect."""
        if namespace not in (None, "/"):
            await super().disconnect(sid, namespace, ignore_queue)
            return
        session = self._table.get(sid)
        if session is not None:
            self.disconnect_session(session)
        elif not ignore_queue:
            await self.manager.can_disconnect(sid, "/")

    def disconnect_session(self, session: EngineSession) -> None:
        """Close a session of this node with a DISCONNECT packet, so that a stock client does not reconnect.

        Earlier messages are sent first. Section "Disconnection from a namespace": the client sends no answer.
        """
        self._fanout.flush(session)
        session.write_message(PreparedPacket(SioPacket(Type.DISCONNECT)))
        session.close(Reason.SERVER_DISCONNECT)


async def _call_back(callback: Callable[..., Any], data: Sequence[object]) -> None:
    """Hand an acknowledgement to the one that asked for it."""
    result = callback(*data)
    if isinstance(result, Awaitable):
        await result
