"""A WebSocket taken from the HTTP server: the transport's own protocol, with no task and no stream behind it.

A link carries a session, or asks to take one over from polling (``2probe``, then ``5``).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, cast

from aiohttp import web

from hornet.core import codes
from hornet.core.limits import BURST_S
from hornet.engine.errors import Malformed, bad_request, too_many_packets
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_owner import SessionOwner
from hornet.engine.transport.states import State
from hornet.engine.types import Reason
from hornet.engine.wire import compression
from hornet.engine.wire.frames import BINARY, CLOSE, PING, PONG, FrameParser, close_frame, frame
from hornet.engine.wire.payloads import parse_binary_packet3, parse_text_packet3
from hornet.engine.wire.prepared import DEFLATED, dump_frame

TOO_MANY = too_many_packets().code

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a Close frame."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Phase(IntEnum):
    """What a link is for."""

    OPENED = 0
    """Waits for the probe."""
    PROBED = 1
    """Waits for the client to let go of polling."""
    ACTIVE = 2
    """Carries the session."""
    CLOSING = 3
    """Sent a Close frame."""


class WebSocketTransport(asyncio.Protocol):
    """One WebSocket from its request to its end."""

    __slots__ = (
        "_filled_at",
        "_host",
        "_loop",
        "_parser",
        "_session",
        "_transport",
        "phase",
        "scheduled_tick",
    )

    def __init__(
        self, host: SessionOwner, session: EngineSession, transport: asyncio.Transport, *, deflated: bool
    ) -> None:
        self._host = host
        self._session: EngineSession | None = session
        self._transport = transport
        self._parser = FrameParser(host.settings.max_payload_bytes, compression.inflate if deflated else None)
        self._loop = asyncio.get_running_loop()
        self._parser.left = host.settings.max_packet_rate * BURST_S
        self._filled_at = self._loop.time()
        self.phase = Phase.OPENED
        self.scheduled_tick = 0
        transport.set_write_buffer_limits(high=host.settings.send_buffer_bytes)

    # What the session and the server ask for -----------------------------------------------------

    def carry(self) -> None:
        """Carry the session from its start."""
        assert self._session is not None
        self.phase = Phase.ACTIVE
        self._session.open_websocket(self, self._transport)

    def probe(self) -> None:
        """Ask to take the session over, within the upgrade timeout."""
        self._host.wheel.schedule(self, self._loop.time() + self._host.settings.upgrade_timeout_s)

    def close(self, code: int, reason: str = "") -> None:
        """Send a Close frame and wait for the client's, for a while."""
        if self.phase is not Phase.CLOSING:
            self.phase = Phase.CLOSING
            self._session = None
            self._host.closing.add(self)
            if not self._transport.is_closing():
                self._transport.write(close_frame(code, reason))
                self._transport.resume_reading()
                self._host.wheel.schedule(self, self._loop.time() + CLOSE_TIMEOUT_S)

    def abort_soon(self) -> None:
        """Cut the connection, and drop what it could not send; not from inside the transport's own call."""
        self.phase, self._session = Phase.CLOSING, None
        self._loop.call_soon(self._transport.abort)

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def on_timeout(self, now: float) -> None:
        """The upgrade or the closing took too long."""
        if self.phase is Phase.CLOSING:
            self._transport.abort()
        elif self.phase is not Phase.ACTIVE:
            self._give_up(1000)

    # What the transport calls --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._host.counts.bytes_in += len(data)
        if len(data) == 7 and self._parser.left > 0 and self._is_pong(data):
            assert self._session is not None
            self._parser.left -= 1
            self._session.pong(self._loop.time())
            return
        self._fill()
        try:
            for opcode, payload in self._parser.feed(data):
                self._take(opcode, payload)
        except Malformed as fault:
            self._host.counts.malformed[fault.code] += 1
            self._fail(fault)

    def _fill(self) -> None:
        """Let as many more packets come as the time since the last ones allows."""
        per_s, now = self._host.settings.max_packet_rate, self._loop.time()
        self._parser.left = min(per_s * BURST_S, self._parser.left + (now - self._filled_at) * per_s)
        self._filled_at = now

    def _is_pong(self, data: bytes) -> bool:
        """Whether this is a pong of version 4 in a frame of its own: what idle clients send."""
        return (
            data.startswith(b"\x81\x81")
            and data[2] ^ data[6] == ord("3")
            and self.phase is Phase.ACTIVE
            and self._parser.is_idle
            and self._session is not None
            and self._session.handshake.protocol == 4
        )

    def pause_writing(self) -> None:
        """More than the send buffer holds could not be sent."""
        if self._session is not None and self.phase is Phase.ACTIVE:
            self._session.slow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._host.wheel.cancel(self)
        self._host.on_link_closed(self)
        session, self._session = self._session, None
        phase, self.phase = self.phase, Phase.CLOSING
        if session is not None:
            self._part(session, phase, Reason.TRANSPORT_CLOSE if exc is None else Reason.TRANSPORT_ERROR)

    # Frames --------------------------------------------------------------------------------------

    def _take(self, opcode: int, payload: str | bytes) -> None:
        session = self._session
        if opcode == CLOSE:
            self._closed_by_client(cast("bytes", payload))
        elif session is None:
            return
        elif opcode == PING:
            self._pong(session, frame(PONG, cast("bytes", payload)))
        elif self.phase is not Phase.ACTIVE:
            self._take_probe(session, payload)
        elif isinstance(payload, str):
            if not payload:
                raise Malformed(codes.EMPTY_PACKET, "a packet is empty")
            if session.handshake.protocol == 3 and payload.startswith("b"):
                payload = parse_text_packet3(payload)
            session.receive(payload, self._loop.time())
        elif opcode == BINARY:
            if session.handshake.protocol == 3:
                payload = parse_binary_packet3(payload)
            session.receive(payload, self._loop.time())

    def _pong(self, session: EngineSession, pong: bytes) -> None:
        if self.phase is Phase.ACTIVE:
            session.put(pong)
        else:
            self._transport.write(pong)

    def _take_probe(self, session: EngineSession, payload: str | bytes) -> None:
        if self.phase is Phase.OPENED and payload == "2probe" and session.state is State.POLLING:
            self.phase = Phase.PROBED
            self._transport.write(dump_frame("3probe", 0))
            session.probed(self)
        elif self.phase is Phase.PROBED and payload == "5" and session.state is State.PROBING:
            self.phase = Phase.ACTIVE
            self._host.wheel.cancel(self)
            if self._parser.inflates:
                session.wire_format |= DEFLATED
            session.upgraded(self, self._transport)
        elif self.phase is Phase.PROBED and payload == "5" and session.link is self:
            session.upgraded_late(self._transport)
        else:
            self._give_up(1000)

    def _closed_by_client(self, payload: bytes) -> None:
        phase, session = self.phase, self._session
        self.phase, self._session = Phase.CLOSING, None
        if phase is not Phase.CLOSING:
            self._transport.write(frame(CLOSE, payload[:2]))
        self._transport.close()
        if session is not None:
            self._part(session, phase, Reason.TRANSPORT_CLOSE)

    def _part(self, session: EngineSession, phase: Phase, reason: Reason) -> None:
        """Tell the session that its WebSocket, or the one it was to move to, is gone."""
        if phase is Phase.ACTIVE:
            session.lost(reason)
        elif session.state is State.PROBING and session.link is self:
            session.upgrade_failed()

    def _fail(self, fault: Malformed) -> None:
        session = self._session
        if session is None:
            self._transport.abort() if fault.code == TOO_MANY else self._transport.close()
        elif self.phase is Phase.ACTIVE:
            session.drop(Reason.PARSE_ERROR, fault.close_code)
        else:
            self._give_up(fault.close_code)
        if fault.code == TOO_MANY:
            self._transport.close()  # without the client's Close frame: more of the same would come before it

    def _give_up(self, code: int) -> None:
        """End an upgrade that came to nothing; the session goes on polling."""
        session = self._session
        if session is not None:
            self._part(session, self.phase, Reason.TRANSPORT_CLOSE)
        self.close(code)


class _TakenOver(web.Response):
    """Tells the HTTP server that its connection has been answered, and is no longer its own."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class Acceptance:
    """The answer to a request that opens a WebSocket (RFC 6455, section 4.2.2), and what it agreed to.

    ``headers`` has lower-case names, or knows them in any case.

    Raises:
        Refusal: the request opens no WebSocket.
    """

    __slots__ = ("deflated", "response")

    def __init__(self, headers: Mapping[str, str], *, compress: bool) -> None:
        key = check_websocket_request(headers)
        lines = [
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Accept: ",
            base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()),
        ]
        extension = compression.negotiate(headers.get("sec-websocket-extensions", "")) if compress else None
        self.deflated = extension is not None
        if extension is not None:
            lines += [b"\r\nSec-WebSocket-Extensions: ", extension.encode("ascii")]
        self.response = b"".join([*lines, b"\r\n\r\n"])


def check_websocket_request(headers: Mapping[str, str]) -> bytes:
    """The key of a request that opens a WebSocket (RFC 6455, section 4.2.1). It has no body.

    Raises:
        Refusal: it does not.
    """
    key = headers.get("sec-websocket-key", "")
    if (
        headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in headers.get("connection", "").lower()
        or headers.get("sec-websocket-version") != "13"
        or headers.get("content-length", "0") != "0"
        or "transfer-encoding" in headers
    ):
        raise bad_request("not a WebSocket request")
    try:
        if len(binascii.a2b_base64(key, strict_mode=True)) != 16:
            raise ValueError
    except ValueError:
        raise bad_request("a wrong Sec-WebSocket-Key") from None
    return key.encode("ascii")


class Takeover:
    """A connection on its way from the HTTP server to a link."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._handler = request.protocol
        if self._handler.transport is None:
            raise bad_request("the connection is gone")
        self.transport = self._handler.transport

    def hand_over(self, link: WebSocketTransport) -> web.StreamResponse:
        """Let ``link`` have the connection, with what the client sent behind its request already.

        aiohttp keeps a request handler, its parser, a task and timers for a connection; telling it that the
        connection is lost, without letting it close the transport, frees all of them.
        """
        tail = _Tail()
        self._handler.set_parser(cast("Any", tail))
        self._handler.transport = None
        self._handler.connection_lost(None)
        self.transport.set_protocol(link)
        if tail.data:
            link.data_received(tail.data)
        return _TakenOver()


class _Tail:
    """Stands in for aiohttp's own frame parser, to be handed what came behind the request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass
