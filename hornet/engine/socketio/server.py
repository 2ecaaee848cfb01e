"""python-socketio's server, with the default namespace handed to our hooks.

Other namespaces, which plug-ins register, go through the stock handlers. Each client's packets are read
and written in its own protocol version and parser. ``tests/engine/test_seams.py`` pins the members that
are overridden.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import socketio

from hornet.core import codes
from hornet.core.jsontext import check_depth
from hornet.engine.counts import Counts
from hornet.engine.errors import Malformed
from hornet.engine.rooms.broadcast import FanOut
from hornet.engine.settings import EngineSettings
from hornet.engine.socketio.engineio_adapter import EngineIoAdapter
from hornet.engine.socketio.manager import LocalManager
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_table import SessionTable
from hornet.engine.types import Handshake, Hooks, Reason
from hornet.engine.wire.packets import (
    SioPacket,
    Type,
    dump_msgpack,
    parse_msgpack,
    parse_msgpack_text,
    parse_packet,
)
from hornet.engine.wire.payloads import Packet
from hornet.engine.wire.prepared import MSGPACK, PreparedPacket

log = logging.getLogger(__name__)


class SocketIoServer(socketio.AsyncServer):  # type: ignore[misc]  # the stock class has no types
    """The Socket.IO protocol on top of our Engine.IO sessions."""

    eio: EngineIoAdapter
    manager: LocalManager

    def __init__(
        self,
        settings: EngineSettings,
        counts: Counts,
        leases: WriteLeases,
        registry: LocalManager,
        fanout: FanOut,
    ) -> None:
        self.sessions = SessionTable(settings=settings, counts=counts, leases=leases, listener=self)
        self.sessions.is_accepting = False
        super().__init__(client_manager=registry, logger=_logger(), table=self.sessions)
        self.environ = _Environs(registry.sessions)
        self._fanout = fanout
        self._counts = counts
        self._hooks: Hooks = _NotStarted()
        self._table = registry.table("/")

    def _engineio_server_class(self) -> type[EngineIoAdapter]:
        return EngineIoAdapter

    def start(self, hooks: Hooks) -> None:
        """Accept sessions from now on, tell ``hooks`` of them, and do what other processes tell."""
        self._hooks = hooks
        self.manager_initialized = True
        self.manager.initialize()
        self.sessions.is_accepting = True

    # From the Engine.IO server -------------------------------------------------------------------

    def on_opened(self, session: EngineSession) -> None:
        """A session opened; version 3 is connected to the default namespace by that alone."""
        self.manager.sessions[session.eio_sid] = session
        if session.handshake.protocol == 3:
            self._connect(session, None)

    def on_message(self, session: EngineSession, message: Packet) -> None:
        """Handle one message; the first one tells which parser the client has.

        Raises:
            Malformed: no packet, or not one that may come now.
        """
        pending_binary = session.pending_binary
        if pending_binary is not None:
            if isinstance(message, str):
                raise Malformed(codes.BAD_PACKET, "an attachment was to come")
            size = sum(map(len, pending_binary.attachments)) + len(message)
            if size > self.sessions.settings.max_payload_bytes:
                raise Malformed(codes.TOO_BIG, "the attachments are too big", 1009)
            if pending_binary.attach(message):
                session.pending_binary = None
                self._dispatch(session, pending_binary)
            return
        settings = self.sessions.settings
        if isinstance(message, bytes):
            if not session.is_greeted:
                session.set_format(session.wire_format | MSGPACK)
            if not session.wire_format & MSGPACK:
                raise Malformed(codes.BAD_PACKET, "an attachment without a packet")
            packet = parse_msgpack(message, session.handshake.protocol)
        elif session.wire_format & MSGPACK:
            if session.handshake.protocol == 4:
                raise Malformed(codes.BAD_PACKET, "text from a client with the MessagePack parser")
            packet = parse_msgpack_text(message)
        else:
            packet = parse_packet(message)
        if len(message) > settings.max_json_depth:
            _check_depth(packet, message, settings.max_json_depth)
        if packet.waits_for > settings.max_attachments:
            raise Malformed(codes.TOO_MANY_ATTACHMENTS, "an event has too many attachments", 1009)
        if packet.waits_for:
            session.pending_binary = packet
        else:
            self._dispatch(session, packet)

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        """Tell all whom it concerns, after what the session sent before has been handled."""
        session.pending_binary = None
        if session.sid is None and session.namespace_sids is None and session.inbox is None:
            self.manager.sessions.pop(session.eio_sid, None)
            return
        session.do(self._depart_all, session, reason)

    async def _depart_all(self, session: EngineSession, reason: Reason) -> None:
        try:
            if session.sid is not None:
                await self._depart(session, session.sid, reason)
            for namespace in list(session.namespace_sids or ()):
                await self._handle_disconnect(session.eio_sid, namespace, reason.value)
        finally:
            for namespace, sid in list((session.namespace_sids or {}).items()):
                self.manager.remove(sid, namespace)
            self.manager.sessions.pop(session.eio_sid, None)

    # Packets -------------------------------------------------------------------------------------

    def _dispatch(self, session: EngineSession, packet: SioPacket) -> None:
        if packet.type in (Type.ACK, Type.BINARY_ACK):
            self._acknowledged(session, packet)
        elif packet.namespace != "/":
            session.do(self._elsewhere, session, packet)
        elif packet.type is not Type.CONNECT:
            session.do(self._here, session, packet)
        elif session.sid is None and session.is_open:
            self._connect(session, packet.data)
        else:
            raise Malformed(codes.ALREADY_CONNECTED, "the client is connected to the namespace already")

    def _acknowledged(self, session: EngineSession, packet: SioPacket) -> None:
        """Hand an answer to who asked, ahead of other jobs: a handler may be waiting for it."""
        if self.manager.sid_from_eio_sid(session.eio_sid, packet.namespace) is None:
            raise Malformed(codes.NOT_CONNECTED, "an answer from a namespace that was not joined")
        self.eio.start_background_task(
            self._handle_ack, session.eio_sid, packet.namespace, packet.id, packet.data
        )

    async def _here(self, session: EngineSession, packet: SioPacket) -> None:
        """A packet of the default namespace; all that were before it have been handled."""
        if session.sid is None:
            self._refuse(session)
        elif packet.type in (Type.EVENT, Type.BINARY_EVENT):
            await self._event(session, session.sid, packet)
        else:
            await self._depart(session, session.sid, Reason.CLIENT_DISCONNECT)

    async def _elsewhere(self, session: EngineSession, packet: SioPacket) -> None:
        """A packet of a plug-in's namespace; all that were before it have been handled."""
        eio_sid, namespace = session.eio_sid, packet.namespace
        joined = session.namespace_sids is not None and namespace in session.namespace_sids
        if joined == (packet.type is Type.CONNECT):
            self._refuse(session)
        elif packet.type is Type.CONNECT:
            await self._connect_elsewhere(session, packet)
        elif packet.type in (Type.EVENT, Type.BINARY_EVENT):
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
            await self._handle_event_internal(self, sid, eio_sid, packet.data, namespace, packet.id)
        else:
            await self._handle_disconnect(eio_sid, namespace, Reason.CLIENT_DISCONNECT.value)

    def _refuse(self, session: EngineSession) -> None:
        """Close a session whose packet is for a namespace that it has not joined, or has joined already."""
        if session.is_open:
            self._counts.malformed[codes.NOT_CONNECTED] += 1
            session.drop(Reason.PARSE_ERROR, 1002)

    def _connect(self, session: EngineSession, auth: object | None) -> None:
        """Connect a client to the default namespace, and answer before any hook can send."""
        sid = self.manager.add(session, "/")
        if sid is None:
            return
        session.connected()
        session.write(_dump_connected(sid, session))
        handshake = session.handshake if auth is None else replace(session.handshake, auth=auth)
        if session.handshake.protocol == 3 or session.inbox is not None:  # version 3 is still being opened
            session.do(self._greet, session, sid, handshake)
        elif (waits := self._begin(session, sid, handshake)) is not None:
            session.do(self._wait, session, waits)

    async def _greet(self, session: EngineSession, sid: str, handshake: Handshake) -> None:
        waits = self._begin(session, sid, handshake)
        if waits is not None:
            await self._wait(session, waits)

    def _begin(self, session: EngineSession, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """Tell the hooks; what is to be waited for, if anything."""
        try:
            return self._hooks.on_connect(sid, handshake)
        except Exception:  # a plug-in or hook may raise anything
            self._counts.hook_errors += 1
            log.exception("A handler failed")
            session.drop(Reason.FORCED_CLOSE, 1011)
            return None

    async def _wait(self, session: EngineSession, greeting: Awaitable[object]) -> None:
        try:
            await greeting
        except Exception:
            session.drop(Reason.FORCED_CLOSE, 1011)
            raise

    async def _event(self, session: EngineSession, sid: str, packet: SioPacket) -> None:
        event, *args = packet.data
        result = await self._hooks.on_event(sid, event, args)
        if isinstance(result, asyncio.Future):
            result.add_done_callback(lambda done: self._acknowledge_late(session, sid, packet.id, done))
        else:
            self._acknowledge(session, packet.id, result)

    def _acknowledge(self, session: EngineSession, number: int | None, result: object) -> None:
        """Answer an event, if the client asked for that by a number."""
        if number is not None:
            answer = list(result) if isinstance(result, tuple) else [] if result is None else [result]
            self._fanout.to_session(session, PreparedPacket(SioPacket(Type.ACK, answer, id=number)))

    def _acknowledge_late(
        self, session: EngineSession, sid: str, number: int | None, done: asyncio.Future[object]
    ) -> None:
        """Answer an event whose handling went on beside the others; one that failed gets no answer."""
        if done.cancelled():
            return
        try:
            result = done.result()
            if session.sid == sid and session.is_open:
                self._acknowledge(session, number, result)
        except Exception:  # a plug-in or hook may raise anything, and answer what can't be sent
            self._counts.hook_errors += 1
            log.exception("A handler failed")

    async def _depart(self, session: EngineSession, sid: str, reason: Reason) -> None:
        """The end of an id in the default namespace; it is in its rooms until the hook returns."""
        if session.sid != sid:
            return
        try:
            await self._hooks.on_disconnect(sid, reason.value)
        finally:
            self.manager.remove(sid, "/")

    async def _connect_elsewhere(self, session: EngineSession, packet: SioPacket) -> None:
        """Connect a client to a namespace of a plug-in, by python-socketio's rules."""
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
        """Send an answer of the protocol, in the client's version of it."""
        if packet.type is Type.CONNECT_ERROR and not isinstance(packet.data, dict):
            packet.data = {"message": str(packet.data)}
        if session.handshake.protocol == 3:
            if packet.type is Type.CONNECT:
                packet.data = None
            elif packet.type is Type.CONNECT_ERROR:
                packet.data = packet.data.get("data", packet.data.get("message"))
        self._fanout.to_session(session, PreparedPacket(packet))

    # From python-socketio ------------------------------------------------------------------------

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        session = self.manager.sessions.get(eio_sid)
        if session is not None:
            plain = {Type.BINARY_EVENT: Type.EVENT, Type.BINARY_ACK: Type.ACK}
            kind = Type(pkt.packet_type)
            data = None if kind is Type.DISCONNECT else pkt.data
            self._send(session, SioPacket(plain.get(kind, kind), data, pkt.namespace or "/", pkt.id))

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a session for good, on whichever node it is."""
        if namespace not in (None, "/"):
            await super().disconnect(sid, namespace, ignore_queue)
            return
        session = self._table.get(sid)
        if session is not None:
            self.dismiss(session)
        elif not ignore_queue:
            await self.manager.can_disconnect(sid, "/")

    def dismiss(self, session: EngineSession) -> None:
        """Close a session with a DISCONNECT packet, so that a stock client does not come back by itself."""
        self._fanout.flush(session)
        session.write_message(PreparedPacket(SioPacket(Type.DISCONNECT)))
        session.close(Reason.SERVER_DISCONNECT)


class _NotStarted:
    """The hooks of a server that accepts no session yet."""

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        raise RuntimeError("the engine is not started")

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        raise RuntimeError("the engine is not started")

    async def on_disconnect(self, sid: str, reason: str) -> None:
        raise RuntimeError("the engine is not started")


def _check_depth(packet: SioPacket, message: Packet, max_depth: int) -> None:
    """Raises:
    Malformed: lists and objects are nested deeper. Most texts have too few brackets for that.
    """
    if isinstance(message, str) and message.count("[") + message.count("{") <= max_depth:
        return
    try:
        check_depth(packet.data, max_depth)
    except ValueError:
        raise Malformed(codes.TOO_DEEP, "the data is nested too deeply", 1009) from None


def _logger() -> logging.Logger:
    """Where python-socketio writes. It calls it an error that Redis is away, and tries again by itself."""
    logger = logging.getLogger("hornet.engine.socketio")
    if not any(isinstance(one, _NoErrors) for one in logger.filters):
        logger.addFilter(_NoErrors())
    return logger


class _NoErrors(logging.Filter):
    """Makes a warning of each error that comes without an exception: nobody has to act."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR and not record.exc_info:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


def _dump_connected(sid: str, session: EngineSession) -> Packet:
    """The answer to a CONNECT: each is sent once, so it takes no ``Prepared``. An id needs no escapes."""
    if session.wire_format & MSGPACK:
        data = {"sid": sid} if session.handshake.protocol == 4 else None
        return dump_msgpack(SioPacket(Type.CONNECT, data))
    return f'40{{"sid":"{sid}"}}' if session.handshake.protocol == 4 else "40"


class _Environs(Mapping[str, "dict[str, Any]"]):
    """The WSGI environment of each session for plug-ins, made from its handshake when somebody asks."""

    def __init__(self, sessions: Mapping[str, EngineSession]) -> None:
        self._sessions = sessions

    def __getitem__(self, eio_sid: str) -> dict[str, Any]:
        handshake = self._sessions[eio_sid].handshake
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "REMOTE_ADDR": handshake.address,
            "QUERY_STRING": "",
            "wsgi.url_scheme": "https" if handshake.secure else "http",
            "hornet.handshake": handshake,
        }
        for name, value in handshake.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def __iter__(self) -> Iterator[str]:
        return iter(self._sessions)

    def __len__(self) -> int:
        return len(self._sessions)
