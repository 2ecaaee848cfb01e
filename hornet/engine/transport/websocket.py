"""A WebSocket taken from the HTTP server: an asyncio protocol with no task and no stream behind it.

A WebSocket carries a session from the start, or asks to take over a session from polling with "2probe", then
"5", or with "5" alone. Sources: RFC 6455 (https://www.rfc-editor.org/rfc/rfc6455#section-5) for frames and
the close, and the Engine.IO protocol (https://github.com/socketio/engine.io-protocol), "Upgrade".
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from hornet.core import codes
from hornet.core.limits import BURST_S
from hornet.engine.errors import Malformed, too_many_packets
from hornet.engine.transport.newcomers import Newcomer
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_owner import SessionOwner
from hornet.engine.transport.states import PHASE_MOVES, Phase, PhaseStep, State
from hornet.engine.transport.transport import UPGRADE_PACKET
from hornet.engine.types import Reason
from hornet.engine.wire import compression
from hornet.engine.wire.frames import BINARY, CLOSE, PING, PONG, FrameParser, close_frame, frame
from hornet.engine.wire.payloads import Packet, parse_binary_packet3, parse_binary_text4, parse_text_packet3
from hornet.engine.wire.prepared import DEFLATED, LONG_BYTES, dump_frame

CLOSE_TIMEOUT_S = 5.0
"""Time a client has to answer a Close frame (RFC 6455, section 7.1.1, asks for "a reasonable time")."""


class WebSocketTransport(asyncio.Protocol):
    """One WebSocket from its request to its end; ``states`` shows its phases."""

    __slots__ = (
        "_bytes_left",
        "_filled_at",
        "_held",
        "_is_paced",
        "_loop",
        "_owner",
        "_parser",
        "_session",
        "_transport",
        "phase",
        "scheduled_tick",
    )

    def __init__(
        self,
        owner: SessionOwner[EngineSession],
        session: EngineSession,
        transport: asyncio.Transport,
        *,
        deflated: bool,
    ) -> None:
        self._owner = owner
        self._session: EngineSession | None = session
        self._transport = transport
        self._parser = FrameParser(session.max_message_bytes, compression.inflate if deflated else None)
        self._loop = asyncio.get_running_loop()
        self._parser.left = owner.settings.max_packet_rate * BURST_S
        self._bytes_left = owner.settings.max_byte_rate * BURST_S
        self._filled_at = self._loop.time()
        self._held = 0
        """How many bytes of a newcomer's unfinished frames are counted."""
        self._is_paced = False
        """Whether it reads nothing for a moment, because the client sent too many bytes."""
        self.phase = Phase.OPENED
        self.scheduled_tick = 0
        transport.set_write_buffer_limits(high=owner.settings.send_buffer_bytes)

    # From the endpoint and the table -------------------------------------------------------------

    def carry(self) -> None:
        """Carry the session from its start; close the WebSocket if the session has ended already."""
        assert self._session is not None
        if self._session.is_open:
            self._move(PhaseStep.CARRIES)
            self._session.carry(self, self._transport)
        else:
            self.close(1000)

    def probe(self) -> None:
        """Wait for the client to take the session over to this WebSocket, within the upgrade timeout."""
        self._owner.wheel.schedule(self, self._loop.time() + self._owner.settings.upgrade_timeout_s)

    def on_timeout(self, now: float) -> None:
        """End an upgrade or a closing that took too long."""
        if self.phase is Phase.CLOSING:
            self._transport.abort()
        elif self.phase is not Phase.ACTIVE:
            self._give_up(1000)

    # From the session (``Transport``) ------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """How much waits in the buffer of the connection; a WebSocket that closes counts no more."""
        return 0 if self.phase is Phase.CLOSING else self._transport.get_write_buffer_size()

    def send(self, packets: Sequence[Packet]) -> bool:
        """Write packets, each in a frame of its own. ``pause_writing`` tells when too much is unsent."""
        session = self._session
        assert session is not None
        self._owner.leases.revoke(session.socket)
        frames = b"".join([dump_frame(packet, session.wire_format) for packet in packets])
        if len(frames) >= LONG_BYTES:  # a queue, which was not too long where it waited
            self.make_room(len(frames))
        self._transport.write(frames)
        return True

    def make_room(self, longest: int) -> None:
        """Raise the mark at which ``pause_writing`` is called, so that no message alone is too long.

        It stays there until the next long message: a session holds no more than the settings allow beside its
        longest message.
        """
        max_bytes = self._owner.settings.send_buffer_bytes
        if not self._transport.is_closing() and self._transport.get_write_buffer_size() <= max_bytes:
            self._transport.set_write_buffer_limits(high=max_bytes + longest)

    def take(self) -> list[Packet]:
        """Return no packets: a WebSocket queues none."""
        return []

    def pause(self) -> None:
        """Do nothing: only polling is paused."""

    def close(self, code: int, last: Packet | None = None) -> None:
        """Send a Close frame, and wait a while for the client's (RFC 6455, section 7.1.2)."""
        if self.phase is not Phase.CLOSING:
            self._move(PhaseStep.CLOSES)
            self._session = None
            self._owner.on_closing(self)
            if not self._transport.is_closing():
                self._transport.write(close_frame(code))
                self._transport.resume_reading()
                self._owner.wheel.schedule(self, self._loop.time() + CLOSE_TIMEOUT_S)

    def abort(self) -> None:
        """Cut the connection in the next turn, since the transport itself may call; drop all unsent data."""
        self._move(PhaseStep.CLOSES)
        self._session = None
        self._loop.call_soon(self._transport.abort)

    def pause_reading(self) -> None:
        """Read nothing more from the client, unless its Close frame is still to come."""
        if self.phase is not Phase.CLOSING and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again."""
        if not self._is_paced and not self._transport.is_closing():
            self._transport.resume_reading()

    def admit(self) -> None:
        """Take longer messages from now on: the client has shown a valid credential."""
        self._parser.max_bytes = self._owner.settings.max_payload_bytes

    # From the asyncio transport ------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._owner.counts.bytes_in += len(data)
        if len(data) == 7 and self._parser.left > 0 and self._is_pong(data):
            assert self._session is not None
            self._parser.left -= 1
            self._session.pong(self._loop.time())
            return
        self._fill(len(data))
        session = self._session
        try:
            if session is None or session.newcomer is None:
                for opcode, payload in self._parser.feed(data):
                    self._take(opcode, payload)
            else:
                self._take_from_newcomer(session, session.newcomer, data)
            if self._parser.inflated:
                self._count_inflated()
        except Malformed as fault:
            self._owner.counts.malformed[fault.code] += 1
            self._fail(fault)

    def _fill(self, size: int) -> None:
        """Let as many more packets come as the time since the last ones allows, and count ``size`` bytes."""
        settings, now = self._owner.settings, self._loop.time()
        passed_s = now - self._filled_at
        self._filled_at = now
        per_s = settings.max_packet_rate
        self._parser.left = min(per_s * BURST_S, self._parser.left + passed_s * per_s)
        per_s = settings.max_byte_rate
        self._bytes_left = min(per_s * BURST_S, self._bytes_left + passed_s * per_s) - size
        if self._bytes_left < 0:
            self._pause()

    def _pause(self) -> None:
        """Read nothing until the client has sent no more bytes than it may."""
        if not self._is_paced:
            self._is_paced = True
            self._owner.counts.paced += 1
            self._transport.pause_reading()
            wait_s = -self._bytes_left / self._owner.settings.max_byte_rate
            self._loop.call_later(max(0.0, wait_s), self._end_pace)

    def _end_pace(self) -> None:
        """Read again, unless too many packets of the client wait to be handled."""
        self._is_paced = False
        self._fill(0)
        if self._is_paced:  # more has been decompressed meanwhile
            return
        if self._parser.has_more and self.phase is not Phase.CLOSING:
            self.data_received(b"")
        session = self._session
        if session is None or session.inbox is None or not session.inbox.is_full:
            self.resume_reading()

    def _count_inflated(self) -> None:
        """Count the bytes that messages became when they were decompressed, as if the client had sent them.

        Raises:
            Malformed: newcomers send too much.
        """
        size, self._parser.inflated = self._parser.inflated, 0
        session = self._session
        if session is not None and session.newcomer is not None:
            session.newcomer.take_bytes(size, self._loop.time())
        self._bytes_left -= size
        if self._bytes_left < 0 or self._parser.has_more:
            self._pause()

    def _take_from_newcomer(self, session: EngineSession, newcomer: Newcomer, data: bytes) -> None:
        """Take what the client of a session sent that has shown no valid credential yet.

        Raises:
            Malformed: the client broke the protocol, or newcomers send or hold too much.
        """
        parser, now = self._parser, self._loop.time()
        newcomer.take_bytes(len(data), now)
        before = parser.left
        messages = parser.feed(data)
        if not newcomer.take_packets(round(before - parser.left), now):
            raise too_many_packets()
        for opcode, payload in messages:
            self._take(opcode, payload)
        self._hold(newcomer, parser.held_bytes)
        session.count_waiting()

    def _hold(self, newcomer: Newcomer, size: int) -> None:
        if size != self._held:
            newcomer.hold(size - self._held)
            self._held = size

    def _is_pong(self, data: bytes) -> bool:
        """Return whether this is a pong of version 4 in a frame of its own, which idle clients send.

        RFC 6455, section 5.2: a final text frame (0x81), masked with a payload of one byte (0x81).
        """
        return (
            data.startswith(b"\x81\x81")
            and data[2] ^ data[6] == ord("3")
            and self.phase is Phase.ACTIVE
            and self._parser.is_idle
            and self._session is not None
            and self._session.newcomer is None
            and self._session.handshake.protocol == 4
        )

    def pause_writing(self) -> None:
        """Abort the session: the client left more unread than the send buffer holds."""
        if self._session is not None and self.phase is Phase.ACTIVE:
            self._session.abort(Reason.SLOW_READER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.wheel.cancel(self)
        self._owner.on_closed(self)
        self._leave_session(Reason.TRANSPORT_CLOSE if exc is None else Reason.TRANSPORT_ERROR)

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
            if payload[0] != "b":
                session.receive(payload, self._loop.time())
            elif session.handshake.protocol == 3:
                session.receive(parse_text_packet3(payload), self._loop.time())
            else:
                session.receive(parse_binary_text4(payload), self._loop.time())
        elif opcode == BINARY:
            if session.handshake.protocol == 3:
                payload = parse_binary_packet3(payload)
            session.receive(payload, self._loop.time())

    def _pong(self, session: EngineSession, pong: bytes) -> None:
        """Answer a Ping frame (RFC 6455, section 5.5.2)."""
        if self.phase is Phase.ACTIVE:
            session.put(pong)
        else:
            self._transport.write(pong)

    def _take_probe(self, session: EngineSession, payload: str | bytes) -> None:
        """Handle a packet of the upgrade; any other packet ends it.

        "5" needs no probe before it, as in the Node server (engine.io, ``lib/socket.ts``, ``maybeUpgrade``).
        """
        if self.phase is Phase.OPENED and payload == "2probe" and session.state is State.POLLING:
            self._move(PhaseStep.PROBED)
            self._transport.write(dump_frame("3probe", 0))
            session.probed(self)
        elif self.phase is Phase.PROBED and payload == "2probe" and session.probe is self:
            self._transport.write(dump_frame("3probe", 0))
        elif not isinstance(payload, str) or payload[:1] != UPGRADE_PACKET:
            self._give_up(1000)
        elif session.state is (State.POLLING if self.phase is Phase.OPENED else State.PROBING):
            self._move(PhaseStep.CARRIES)
            self._owner.wheel.cancel(self)
            if self._parser.inflates:
                session.set_format(session.wire_format | DEFLATED)
            session.upgraded(self, self._transport)
        elif session.state is (State.CLOSING if self.phase is Phase.OPENED else State.CLOSING_PROBED):
            session.upgraded_late(self)
        else:
            self._give_up(1000)

    # Endings -------------------------------------------------------------------------------------

    def _move(self, step: PhaseStep) -> None:
        self.phase = PHASE_MOVES[self.phase, step]

    def _closed_by_client(self, payload: bytes) -> None:
        """Answer a Close frame with its own code (RFC 6455, section 5.5.1), and close the connection."""
        if self.phase is not Phase.CLOSING:
            self._transport.write(frame(CLOSE, payload[:2]))
        self._transport.close()
        self._leave_session(Reason.TRANSPORT_CLOSE)

    def _leave_session(self, reason: Reason) -> None:
        """Let go of the session: end it if this WebSocket carries it, else let it go on polling."""
        session, self._session = self._session, None
        phase = self.phase
        self._move(PhaseStep.CLOSES)
        if session is None:
            return
        if session.newcomer is not None:
            self._hold(session.newcomer, 0)
        if phase is Phase.ACTIVE:
            session.end(reason)
        elif session.probe is self:
            session.probe_failed()

    def _fail(self, fault: Malformed) -> None:
        """Close after a broken frame, with the code of its fault (RFC 6455, section 7.4.1)."""
        session = self._session
        if session is None and fault.code == codes.TOO_MANY_PACKETS:
            self._transport.abort()
        elif session is None:
            self._transport.close()
        elif self.phase is Phase.ACTIVE:
            session.end(Reason.PARSE_ERROR, fault.close_code)
        else:
            self._give_up(fault.close_code)
        if fault.code == codes.TOO_MANY_PACKETS:
            # Without waiting for the client's Close frame: more packets would come before it.
            self._transport.close()

    def _give_up(self, code: int) -> None:
        """End an upgrade that failed; the session goes on polling."""
        if self._session is not None and self._session.probe is self:
            self._session.probe_failed()
        self.close(code)
