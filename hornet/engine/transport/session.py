"""One Engine.IO session: its state, its heartbeat, and how it is sent to.

The session does no I/O of its own. It calls its ``Transport``: the polling transport at first, or the
WebSocket that carries it. An upgrade swaps the one for the other.

Source: the Engine.IO protocol (https://github.com/socketio/engine.io-protocol).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from hornet.core import codes
from hornet.engine.errors import Malformed
from hornet.engine.transport.direct_write import NO_LEASE, NO_SOCKET, plain_socket
from hornet.engine.transport.heartbeat import Action, Heartbeat
from hornet.engine.transport.inbox import JobRunner
from hornet.engine.transport.newcomers import Newcomer
from hornet.engine.transport.session_owner import SessionOwner
from hornet.engine.transport.states import MOVES, State, Step, is_open
from hornet.engine.transport.transport import CLOSE_PACKET, IDLE_PACKETS, NOOP_PACKET, PING_PACKET, Transport
from hornet.engine.types import Handshake, Reason
from hornet.engine.wire.packets import SioPacket
from hornet.engine.wire.payloads import Packet
from hornet.engine.wire.prepared import LONG_BYTES, FrameBatch, Prepared, dump_frame

PING_FRAME = dump_frame(PING_PACKET, 0)

LINGER_S = 10.0
"""Time a polling client has to fetch its last packets after the server closed its session."""


class EngineSession(JobRunner):
    """An Engine.IO session and the Socket.IO ids it has; ``states`` shows its life.

    Four methods end it: ``close`` lets a polling client fetch its last packets, ``end`` ends it at once,
    ``abort`` also drops unsent data, and ``forget`` makes its id unknown.
    """

    __slots__ = (
        "_heartbeat",
        "eio_sid",
        "handshake",
        "lease",
        "namespace_sids",
        "newcomer",
        "owner",
        "pending_binary",
        "plugin_data",
        "probe",
        "scheduled_tick",
        "sid",
        "socket",
        "state",
        "transport",
        "wire_format",
        "ws",
    )

    def __init__(
        self,
        *,
        owner: SessionOwner[EngineSession],
        transport: Transport,
        eio_sid: str,
        handshake: Handshake,
        newcomer: Newcomer,
        wire_format: int,
        now: float,
    ) -> None:
        self.owner = owner
        self.eio_sid = eio_sid
        self.handshake = handshake
        self.newcomer: Newcomer | None = newcomer
        """Its share of what sessions may send that have shown no valid credential; None once it has."""
        self.wire_format = wire_format
        self.state = State.OPENING
        self.transport = transport
        self.probe: Transport | None = None
        """The WebSocket that is about to take over from polling."""
        self.ws: asyncio.Transport | None = None
        """The asyncio transport that frames are written to; None while polling, upgrading or closing."""
        self.socket = NO_SOCKET
        """The file number of the socket below ``ws``, where the fan-out may write past it."""
        self.lease = NO_LEASE
        """The fan-out's right to do so: a new one whenever ``wire_format`` or ``socket`` changes."""
        self.sid: str | None = None
        """The id in the default namespace."""
        self.namespace_sids: dict[str, str] | None = None
        """The ids in other namespaces."""
        self.pending_binary: SioPacket | None = None
        """A binary packet whose attachments are still to come."""
        self.inbox = None
        self.plugin_data: dict[str, Any] | None = None
        """What plug-ins keep with python-socketio's ``save_session``."""
        self.scheduled_tick = 0
        self._heartbeat = Heartbeat(owner.settings, handshake.protocol, now)
        owner.wheel.schedule(self, self._heartbeat.due)

    # State ---------------------------------------------------------------------------------------

    def move(self, step: Step) -> None:
        """Take a step of the table in ``states``. A step that the table lacks is a bug in Hornet."""
        self.state = MOVES[self.state, step]

    @property
    def is_open(self) -> bool:
        """Whether the session may be sent to."""
        return is_open(self.state)

    @property
    def is_greeted(self) -> bool:
        """Whether the client has connected to a namespace, now or before."""
        return self._heartbeat.is_connected

    @property
    def unsent_bytes(self) -> int:
        """How much waits for the client: in the queue of its polls, or in the buffer of its WebSocket."""
        return self.transport.unsent_bytes

    def set_format(self, wire_format: int) -> None:
        """Send in another form from now on."""
        self.wire_format = wire_format
        self.lease = self.owner.leases.grant(self.socket)

    def sids(self) -> Iterable[str]:
        """Yield the session's ids, in all its namespaces."""
        if self.sid is not None:
            yield self.sid
        if self.namespace_sids is not None:
            yield from self.namespace_sids.values()

    # Limits --------------------------------------------------------------------------------------

    @property
    def max_message_bytes(self) -> int:
        """How long a message of the client may be."""
        settings = self.owner.settings
        most = settings.max_payload_bytes
        return most if self.newcomer is None else min(most, settings.max_unauthenticated_payload_bytes)

    def admit(self) -> None:
        """Let the client send as much as a client with a valid credential may."""
        if self.newcomer is not None:
            self.newcomer.leave()
            self.newcomer = None
            self.transport.admit()
            if self.probe is not None:
                self.probe.admit()

    def count_waiting(self) -> None:
        """Count the packets of a newcomer that wait for their turn, or for their attachments.

        Raises:
            Malformed: newcomers have left too much with the node.
        """
        if self.newcomer is not None:
            size = 0 if self.inbox is None else self.inbox.waiting_bytes
            if self.pending_binary is not None:
                size += self.pending_binary.size
            self.newcomer.hold_waiting(size)

    # Time ----------------------------------------------------------------------------------------

    def is_due(self, now: float) -> bool:
        """Return whether the session is open, and has to send a ping or to end."""
        return self._heartbeat.is_due(now) and is_open(self.state)

    def connected(self) -> None:
        """Stop the connect timeout: the client connected to a namespace."""
        self._heartbeat.on_connected()

    def pong(self, now: float) -> None:
        """Take note that the client of version 4 answered a ping."""
        self._heartbeat.on_pong(self.owner.settings, now)
        self.owner.wheel.schedule(self, self._heartbeat.due)

    def on_timeout(self, now: float) -> None:
        """Act on a due time: send a ping, end a silent session, or forget a session that lingers."""
        if not is_open(self.state):
            self.forget()
            return
        action = self._heartbeat.on_timeout(self.owner.settings, now, self.owner.wheel.tick_s)
        if action is Action.CONNECT_TIMEOUT:
            self.end(Reason.CONNECT_TIMEOUT)
        elif action is Action.PING_TIMEOUT:
            self.end(Reason.PING_TIMEOUT)
        else:
            self.owner.wheel.schedule(self, self._heartbeat.due)
            if action is Action.PING:
                self._ping()

    def _ping(self) -> None:
        if self.ws is not None:
            self.put(PING_FRAME)
        else:
            self._send((PING_PACKET,))

    # Receiving -----------------------------------------------------------------------------------

    def receive(self, packet: Packet, now: float) -> None:
        """Handle one packet from the client (Engine.IO protocol, "Packet encoding").

        Raises:
            Malformed: the packet breaks its format, or a client of this version does not send it.
        """
        if isinstance(packet, bytes):
            self.owner.on_message(self, packet)
            return
        packet_type = packet[:1]
        if packet_type == "4":
            self.owner.on_message(self, packet[1:])
        elif packet_type == "3" and self.handshake.protocol == 4:
            self.pong(now)
        elif packet_type == "2" and self.handshake.protocol == 3:
            self._heartbeat.on_ping(self.owner.settings, now)
            self.owner.wheel.schedule(self, self._heartbeat.due)
            self.write("3" + packet[1:])
        elif packet_type == CLOSE_PACKET:
            self.end(Reason.TRANSPORT_CLOSE)
        elif packet_type not in IDLE_PACKETS:
            raise Malformed(codes.BAD_TYPE, "a packet of unknown type, or one that only a server sends")

    # Sending -------------------------------------------------------------------------------------

    def write(self, packet: Packet) -> None:
        """Send one packet, ahead of messages that the fan-out still holds; for packets without a message."""
        if self.ws is not None:
            self.put(dump_frame(packet, self.wire_format))
        elif is_open(self.state):
            self._send((packet,))

    def write_message(self, message: Prepared) -> None:
        """Send one message now."""
        if self.ws is not None:
            frames = message.frames(self.wire_format)
            if len(frames) >= LONG_BYTES:
                self.transport.make_room(len(frames))
            self.put(frames)
        elif is_open(self.state):
            self._send(message.packets(self.wire_format))

    def put(self, frames: bytes) -> None:
        """Write frames to the WebSocket, which there must be."""
        assert self.ws is not None
        self.owner.leases.revoke(self.socket)
        self.ws.write(frames)

    @property
    def is_clear(self) -> bool:
        """Whether the fan-out may write to the socket: its asyncio transport has nothing left to write."""
        ws = self.ws
        return (
            ws is not None
            and self.socket != NO_SOCKET
            and not ws.get_write_buffer_size()
            and not ws.is_closing()
        )

    def enqueue_batch(self, batch: FrameBatch) -> None:
        """Queue messages; for a session without a WebSocket to write to."""
        if is_open(self.state):
            self._send(batch.packets(self.wire_format))

    def _send(self, packets: Sequence[Packet]) -> None:
        if not self.transport.send(packets):
            self.abort(Reason.SLOW_READER)

    # Upgrading (Engine.IO protocol, "Upgrade") ---------------------------------------------------

    def start_polling(self) -> None:
        """Let the client poll for its packets from now on."""
        self.move(Step.POLLS)

    def carry(self, websocket: Transport, ws: asyncio.Transport) -> None:
        """Send over a WebSocket from the start."""
        self.move(Step.CARRIED)
        self._use_websocket(websocket, ws)

    def probed(self, websocket: Transport) -> None:
        """Let a WebSocket prepare to take over, and the client stop polling."""
        self.move(Step.PROBED)
        self.probe = websocket
        self.transport.pause()

    def upgraded(self, websocket: Transport, ws: asyncio.Transport) -> None:
        """Send over the WebSocket from now on, beginning with the queued packets."""
        self.move(Step.UPGRADED)
        polling, packets = self.transport, self.transport.take()
        self.probe = None
        self._use_websocket(websocket, ws)
        if packets:
            websocket.send(packets)
        self.owner.counts.upgrades += 1
        polling.close(1000)

    def upgraded_late(self, websocket: Transport) -> None:
        """Send the queued packets over the WebSocket, and end: the session was closed during its upgrade."""
        self.probe = websocket
        websocket.send(self.transport.take())
        self.forget()

    def probe_failed(self) -> None:
        """Go on polling: the WebSocket went away before it took over."""
        self.move(Step.PROBE_FAILED)
        self.probe = None

    def _use_websocket(self, websocket: Transport, ws: asyncio.Transport) -> None:
        self.transport, self.ws, self.socket = websocket, ws, plain_socket(ws)
        self.lease = self.owner.leases.grant(self.socket)

    # Ending --------------------------------------------------------------------------------------

    def close(self, reason: Reason, code: int = 1000) -> None:
        """End the session; a polling client can still fetch the queued packets and the close packet.

        In the middle of an upgrade, the client may have stopped polling. It then fetches that with the
        WebSocket of its probe.
        """
        if self.state is State.WEBSOCKET:
            self.end(reason, code)
        elif is_open(self.state):
            self._stop_sending()
            self.owner.wheel.schedule(self, asyncio.get_running_loop().time() + LINGER_S)
            self.transport.close(code)
            if self.probe is not None:
                self.owner.on_closing(self.probe)
            self.owner.on_ended(self, reason)

    def end(self, reason: Reason, code: int = 1000) -> None:
        """End the session at once; its id is unknown afterwards.

        A poll that waits is answered with a "close" packet, or with a "noop" if the client itself ended the
        session (Engine.IO protocol, "HTTP long-polling").
        """
        if is_open(self.state):
            self._stop_sending()
            self.transport.close(code, NOOP_PACKET if reason is Reason.TRANSPORT_CLOSE else CLOSE_PACKET)
            if self.probe is not None:
                self.probe.close(code)
            self.owner.on_ended(self, reason)
            self.forget()

    def abort(self, reason: Reason) -> None:
        """End the session at once, cut its connection, and drop all unsent data."""
        if is_open(self.state):
            self._stop_sending()
            self.transport.abort()
            if self.probe is not None:
                self.probe.abort()
            self.owner.on_ended(self, reason)
            self.forget()

    def forget(self) -> None:
        """Make the id of an ended session unknown. Does nothing the second time."""
        if self.state is not State.CLOSED:
            self.move(Step.FORGOTTEN)
            self.owner.wheel.cancel(self)
            if self.probe is not None:
                self.probe.close(1000)
            self.owner.on_forgotten(self)

    def _stop_sending(self) -> None:
        self.move(Step.ENDED)
        self.owner.leases.revoke(self.socket)
        self.ws, self.socket, self.lease = None, NO_SOCKET, NO_LEASE
        self.owner.wheel.cancel(self)

    # Work ----------------------------------------------------------------------------------------

    def on_job_failed(self) -> None:
        self.owner.counts.hook_errors += 1

    def on_inbox_empty(self) -> None:
        self.inbox = None
        self.count_waiting()
