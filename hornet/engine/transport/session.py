"""One Engine.IO session: its state, its heartbeat, and what waits to be sent.

No I/O here but calls of a transport's ``write``; HTTP requests come from ``polling``, frames from
``websocket``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hornet.core import codes
from hornet.core.limits import RateLimiter
from hornet.engine.errors import Malformed
from hornet.engine.transport.direct_write import NO_LEASE, NO_SOCKET, plain_socket
from hornet.engine.transport.inbox import Job, SessionInbox
from hornet.engine.transport.session_owner import SessionOwner
from hornet.engine.transport.states import MOVES, State, Step, is_open
from hornet.engine.types import Handshake, Reason
from hornet.engine.wire.payloads import Packet
from hornet.engine.wire.prepared import FrameBatch, Prepared, dump_frame

if TYPE_CHECKING:
    from hornet.engine.transport.websocket import WebSocketTransport
    from hornet.engine.wire.packets import SioPacket

PING_FRAME = dump_frame("2", 0)

LINGER_S = 10.0
"""How long a polling client may take to fetch what it was sent before the server closed its session."""


class EngineSession:
    """An Engine.IO session and the Socket.IO ids it has; see ``states`` for its life."""

    __slots__ = (
        "_connect_by",
        "_heartbeat",
        "_pinged",
        "eio_sid",
        "handshake",
        "host",
        "inbox",
        "lease",
        "link",
        "namespace_sids",
        "pending_binary",
        "plugin_data",
        "poll",
        "posted",
        "posting",
        "queue",
        "queued_bytes",
        "scheduled_tick",
        "sid",
        "socket",
        "state",
        "wire_format",
        "ws",
    )

    def __init__(
        self, host: SessionOwner, eio_sid: str, handshake: Handshake, wire_format: int, now: float
    ) -> None:
        self.host = host
        self.eio_sid = eio_sid
        self.handshake = handshake
        self.wire_format = wire_format
        self.state = State.POLLING
        self.ws: asyncio.Transport | None = None
        """The transport that frames are written to; None while polling, upgrading or closing."""
        self.socket = NO_SOCKET
        """The file number of the socket below ``ws``, where the fan-out may send past the transport."""
        self.lease = NO_LEASE
        """What entitles the fan-out to do so: a new one whenever ``wire_format`` or ``socket`` changes."""
        self.link: WebSocketTransport | None = None
        self.queue: list[Packet] = []
        self.queued_bytes = 0
        self.poll: asyncio.Future[None] | None = None
        self.posting = False
        self.posted: RateLimiter | None = None
        """How many more packets may come by POST; None before the first."""
        self.sid: str | None = None
        """The id in the default namespace."""
        self.namespace_sids: dict[str, str] | None = None
        """The ids in other namespaces."""
        self.pending_binary: SioPacket | None = None
        """A binary packet whose attachments are still coming."""
        self.inbox: SessionInbox | None = None
        """What its packets asked for and is not done yet."""
        self.plugin_data: dict[str, Any] | None = None
        """What plug-ins keep with python-socketio's ``save_session``."""
        self.scheduled_tick = 0
        settings = host.settings
        self._pinged = False
        self._heartbeat = now + settings.ping_interval_s
        if handshake.protocol == 3:
            self._heartbeat += settings.ping_timeout_s
        self._connect_by = now + settings.connect_timeout_s if handshake.protocol == 4 else 0.0
        host.wheel.schedule(self, min(self._heartbeat, self._connect_by or self._heartbeat))

    # State ---------------------------------------------------------------------------------------

    def move(self, step: Step) -> None:
        """Take a step of the table in ``states``; a step that it lacks is a bug."""
        self.state = MOVES[self.state, step]

    @property
    def is_greeted(self) -> bool:
        """Whether the client has connected to a namespace, now or before."""
        return not self._connect_by

    @property
    def is_open(self) -> bool:
        return is_open(self.state)

    @property
    def unsent_bytes(self) -> int:
        """What waits for the client: in the queue, or in the buffer of its WebSocket."""
        return self.queued_bytes + (self.ws.get_write_buffer_size() if self.ws is not None else 0)

    def set_format(self, wire_format: int) -> None:
        """Be of another kind from now on."""
        self.wire_format = wire_format
        self.lease = self.host.leases.grant(self.socket)

    def connected(self) -> None:
        """The client connected to a namespace: the connect timeout is off."""
        self._connect_by = 0.0

    def on_timeout(self, now: float) -> None:
        """The heartbeat or a timeout is due."""
        if self.state is State.CLOSING:
            self.gone()
        elif self._connect_by and now >= self._connect_by:
            self.drop(Reason.CONNECT_TIMEOUT)
        elif now < self._heartbeat:
            self._schedule()
        elif self._pinged or self.handshake.protocol == 3:
            self.drop(Reason.PING_TIMEOUT)
        else:
            self._pinged = True
            self._heartbeat = now + self.host.settings.ping_timeout_s
            self._schedule()
            self._ping()

    def _ping(self) -> None:
        if self.ws is not None:
            self.put(PING_FRAME)
        else:
            self.enqueue(("2",))

    def pong(self, now: float) -> None:
        """The client of version 4 answered a ping."""
        self._pinged = False
        self._heartbeat = now + self.host.settings.ping_interval_s
        self._schedule()

    def _schedule(self) -> None:
        self.host.wheel.schedule(self, min(self._heartbeat, self._connect_by or self._heartbeat))

    def sids(self) -> Iterable[str]:
        """The session's ids, in all its namespaces."""
        if self.sid is not None:
            yield self.sid
        if self.namespace_sids is not None:
            yield from self.namespace_sids.values()

    # Receiving -----------------------------------------------------------------------------------

    def receive(self, packet: Packet, now: float) -> None:
        """Handle one packet from the client.

        Raises:
            Malformed: it is no packet, or not one that a client of this version sends.
        """
        if isinstance(packet, bytes):
            self.host.on_message(self, packet)
            return
        packet_type = packet[:1]
        if packet_type == "4":
            self.host.on_message(self, packet[1:])
        elif packet_type == "3" and self.handshake.protocol == 4:
            self.pong(now)
        elif packet_type == "2" and self.handshake.protocol == 3:
            self._heartbeat = now + self.host.settings.ping_interval_s + self.host.settings.ping_timeout_s
            self._schedule()
            self.write("3" + packet[1:])
        elif packet_type == "1":
            self._leave()
        elif packet_type != "6":
            raise Malformed(codes.BAD_TYPE, "a packet of unknown type, or one that only a server sends")

    def _leave(self) -> None:
        """The client closed the session: end the poll that waits with a noop, as the protocol has it."""
        if self.poll is not None:
            self.queue.append("6")
        self._end(Reason.TRANSPORT_CLOSE, 1000)
        self.gone()

    # Sending -------------------------------------------------------------------------------------

    def write(self, packet: Packet) -> None:
        """Send one packet, ahead of what the fan-out still holds; for what belongs to no message."""
        if self.ws is not None:
            self.put(dump_frame(packet, self.wire_format))
        else:
            self.enqueue((packet,))

    def put(self, frames: bytes) -> None:
        """Write frames through the WebSocket's transport, which there must be."""
        assert self.ws is not None
        self.host.leases.revoke(self.socket)
        self.ws.write(frames)

    @property
    def is_clear(self) -> bool:
        """Whether there is a socket that its transport has nothing left to write to, so that others may."""
        ws = self.ws
        return (
            ws is not None
            and self.socket != NO_SOCKET
            and not ws.get_write_buffer_size()
            and not ws.is_closing()
        )

    def write_message(self, message: Prepared) -> None:
        """Send one message now."""
        if self.ws is not None:
            self.put(message.frames(self.wire_format))
        else:
            self.enqueue(message.packets(self.wire_format))

    def enqueue_plan(self, plan: FrameBatch) -> None:
        """Queue messages; for when there is no WebSocket to write to."""
        if is_open(self.state):
            self.enqueue(plan.packets(self.wire_format))

    def enqueue(self, packets: Sequence[Packet]) -> None:
        """Queue packets for the next poll, or for the WebSocket that an upgrade will bring."""
        if not is_open(self.state):
            return
        self.queue.extend(packets)
        for packet in packets:
            self.queued_bytes += len(packet)
        if self.queued_bytes > self.host.settings.send_buffer_bytes:
            self.slow()
        else:
            self.wake()

    def wake(self) -> None:
        """Let the poll that waits, if any, take the queue."""
        if self.poll is not None and not self.poll.done():
            self.poll.set_result(None)

    def take(self) -> list[Packet]:
        """The queue, which is empty afterwards; one that is closing ends with a close packet of its own.

        Stock clients handle a close packet ahead of the messages in the same response: a DISCONNECT that
        came with it would be taken for a lost connection.
        """
        packets, self.queue, self.queued_bytes = self.queue, [], 0
        if self.state is State.CLOSING and not packets:
            packets = ["1"]
            self.gone()
        return packets

    # Upgrading -----------------------------------------------------------------------------------

    def probed(self, link: WebSocketTransport) -> None:
        """A WebSocket asked to take over: end the poll that waits, so that the client lets go of polling."""
        self.move(Step.PROBED)
        self.link = link
        if self.poll is not None and not self.poll.done():
            self.queue.append("6")
            self.wake()

    def upgraded(self, link: WebSocketTransport, transport: asyncio.Transport) -> None:
        """The WebSocket takes over, and gets what is queued."""
        self.move(Step.UPGRADED)
        self.open_websocket(link, transport)
        self.host.counts.upgrades += 1
        if self.poll is not None and not self.poll.done():
            self.queue = ["6"]
            self.wake()

    def upgrade_failed(self) -> None:
        """The WebSocket went away before it took over."""
        self.move(Step.FAILED)
        self.link = None

    def open_websocket(self, link: WebSocketTransport, transport: asyncio.Transport) -> None:
        """Send over ``transport`` from now on, starting with what is queued."""
        self.state = State.WEBSOCKET
        self.link, self.ws, self.socket = link, transport, plain_socket(transport)
        self.lease = self.host.leases.grant(self.socket)
        if self.queue:
            self.put(self.take_frames())

    def take_frames(self) -> bytes:
        """The queue as WebSocket frames; it is empty afterwards."""
        return b"".join([dump_frame(packet, self.wire_format) for packet in self.take()])

    # Ending --------------------------------------------------------------------------------------

    def close(self, reason: Reason, code: int = 1000) -> None:
        """Close the session; the client can still fetch what is queued, and that it was closed."""
        if not is_open(self.state):
            return
        state, probing = self.state, None
        if state is State.PROBING:
            # The client may have let go of polling already: it then comes for the queue with its WebSocket.
            probing, self.link = self.link, None
        self._end(reason, code)
        if state is State.WEBSOCKET:
            self.gone()
        else:
            self.host.wheel.schedule(self, asyncio.get_running_loop().time() + LINGER_S)
        if probing is not None:
            self.link = probing
            self.host.closing.add(probing)

    def upgraded_late(self, transport: asyncio.Transport) -> None:
        """The WebSocket takes over a session that was closed meanwhile: it gets what is queued, no more."""
        transport.write(b"".join([dump_frame(packet, self.wire_format) for packet in self.queue]))
        self.gone()

    def drop(self, reason: Reason, code: int = 1000) -> None:
        """Close the session; the id is unknown at once."""
        if not is_open(self.state):
            return
        if self.poll is not None:
            self.queue.append("1")
        self._end(reason, code)
        self.gone()

    def slow(self) -> None:
        """The client reads too slowly for what it is sent: what is held for it goes with it."""
        if not is_open(self.state):
            return
        self.host.counts.slow_readers += 1
        if self.link is not None:
            self.link.abort_soon()
        self._end(Reason.SLOW_READER, 1008)
        self.queue.clear()
        self.gone()

    def lost(self, reason: Reason) -> None:
        """The transport is gone."""
        if is_open(self.state):
            self._end(reason, 1000)
        self.gone()

    def gone(self) -> None:
        """Nothing more will come from here."""
        if self.state is not State.CLOSED:
            self.move(Step.GONE)
            self.host.wheel.cancel(self)
            if self.link is not None:
                self.link.close(1000)
            self.host.on_gone(self)

    def _end(self, reason: Reason, code: int) -> None:
        link = self.link
        self.move(Step.ENDED)
        self.host.leases.revoke(self.socket)
        self.ws, self.socket, self.lease = None, NO_SOCKET, NO_LEASE
        self.host.wheel.cancel(self)
        self.wake()
        if link is not None:
            link.close(code)
        self.host.on_ended(self, reason)

    # Work ----------------------------------------------------------------------------------------

    def do(self, job: Job, *args: Any) -> None:
        """Run ``job`` after all jobs given before; there is a task only while there is work."""
        if self.inbox is None:
            self.inbox = SessionInbox(self)
        self.inbox.add(job, args)

    async def drain(self) -> None:
        """Return when few enough jobs wait that more packets may be taken."""
        if self.inbox is not None:
            await self.inbox.drain()

    def pause_reading(self) -> None:
        """Read nothing more from the client's WebSocket; a client that polls waits for its POST."""
        if self.link is not None:
            self.link.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client's WebSocket again."""
        if self.link is not None:
            self.link.resume_reading()

    def on_job_failed(self) -> None:
        self.host.counts.hook_errors += 1

    def on_inbox_empty(self) -> None:
        self.inbox = None
