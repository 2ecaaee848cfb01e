"""HTTP long-polling: the queue of a session, and its GET and POST requests.

Source: the Engine.IO protocol (https://github.com/socketio/engine.io-protocol), "HTTP long-polling", and the
behaviour of the Node server for cases that the protocol does not mention.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import web
from multidict import CIMultiDict

from hornet.core import codes
from hornet.core.encodings import preferred_coding
from hornet.core.headers import combined
from hornet.core.limits import RateLimiter
from hornet.engine.errors import Malformed, bad_request, too_many_packets
from hornet.engine.transport.inbox import INBOX_HIGH
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_owner import SessionOwner
from hornet.engine.transport.states import State, is_open
from hornet.engine.transport.transport import CLOSE_PACKET, NOOP_PACKET
from hornet.engine.types import Reason
from hornet.engine.wire.payloads import (
    Packet,
    dump_binary3,
    dump_jsonp,
    dump_payload4,
    dump_text3,
    parse_binary3,
    parse_jsonp,
    parse_payload4,
    parse_text3,
)
from hornet.engine.wire.prepared import TEXT_ONLY

STATUS = {codes.TOO_BIG: 413, codes.TOO_SLOW: 408, codes.TOO_MANY_PACKETS: 429}
"""The HTTP status for a refused body, where HTTP has one that fits.

Sources: https://www.rfc-editor.org/rfc/rfc9110#section-15.5 and https://www.rfc-editor.org/rfc/rfc6585#section-4.
"""

BINARY_TYPE = "application/octet-stream"
"""The content type of version 3's binary bodies."""

NO_STORE = {"Cache-Control": "no-store"}
RESPONSE_HEADERS = {
    BINARY_TYPE: CIMultiDict({**NO_STORE, "Content-Type": BINARY_TYPE}),
    "text/plain": CIMultiDict({**NO_STORE, "Content-Type": "text/plain; charset=utf-8"}),
    "text/javascript": CIMultiDict({**NO_STORE, "Content-Type": "text/javascript; charset=utf-8"}),
}
"""The headers of a response that carries packets, by the type of its body. Each response has a copy."""

Query = Mapping[str, Sequence[str]]

COMPRESS_FROM_BYTES = 1024
"""Shorter responses are not worth compressing (the Node server's threshold)."""

CODINGS = ("gzip", "deflate")
"""Those that the Node server offers. aiohttp's own choice ignores the quality values of the request."""


class PollingTransport:
    """The packets of a session that wait for the client's next GET.

    It does not hold its session, so that a session that ends leaves no cycle of references. Methods that
    need the session take it as an argument.
    """

    __slots__ = ("_byte_rate", "_is_posting", "_owner", "_poll", "_queue", "_rate", "unsent_bytes")

    def __init__(self, owner: SessionOwner[EngineSession], opening: Packet) -> None:
        """``opening`` is the packet that opens the session; the client gets it first."""
        self._owner = owner
        self._queue: list[Packet] = [opening]
        self.unsent_bytes = 0
        self._poll: asyncio.Future[None] | None = None
        """The GET that waits for packets; done when it may be answered."""
        self._is_posting = False
        """Whether a POST is being read."""
        self._rate: RateLimiter | None = None
        """How many more packets may come by POST; None before the first."""
        self._byte_rate: RateLimiter | None = None
        """How many more bytes may come by POST; None before the first."""

    @property
    def has_poll(self) -> bool:
        """Whether a GET of the client waits."""
        return self._poll is not None

    # From the session (``Transport``) ------------------------------------------------------------

    def send(self, packets: Sequence[Packet]) -> bool:
        """Queue packets for the next GET, or for the WebSocket that an upgrade will bring.

        False when the queue held more bytes than the settings allow before the last of them: a packet alone
        is never too long.
        """
        max_bytes = self._owner.settings.send_buffer_bytes
        for packet in packets:
            if self.unsent_bytes > max_bytes:
                return False
            self._queue.append(packet)
            self.unsent_bytes += len(packet)
        self._wake()
        return True

    def take(self) -> list[Packet]:
        """Return the packets that are queued; the queue is empty afterwards."""
        packets, self._queue, self.unsent_bytes = self._queue, [], 0
        return packets

    def pause(self) -> None:
        """Answer the GET that waits, if any, so that the client can stop polling."""
        if self._poll is not None and not self._poll.done():
            self._queue.append(NOOP_PACKET)
            self._wake()

    def close(self, code: int, last: Packet | None = None) -> None:
        """Answer the GET that waits, if any, with the queued packets and ``last`` behind them."""
        if self._poll is not None and last is not None:
            self._queue.append(last)
        self._wake()

    def abort(self) -> None:
        """Drop the queued packets, and answer the GET that waits."""
        self._queue.clear()
        self._wake()

    def admit(self) -> None:
        """Do nothing: each POST asks the session for its limit."""

    def make_room(self, longest: int) -> None:
        """Do nothing: the queue always has room for a message."""

    def pause_reading(self) -> None:
        """Do nothing: a POST waits for the inbox by itself."""

    def resume_reading(self) -> None:
        """Do nothing: a POST waits for the inbox by itself."""

    def _wake(self) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)

    # GET -----------------------------------------------------------------------------------------

    async def answer_poll(
        self, session: EngineSession, request: web.Request, query: Query
    ) -> web.StreamResponse:
        """Answer a GET with the queued packets, as soon as there is a packet.

        A second GET while one waits ends the session, and so does a client that cuts its GET.

        Raises:
            Refusal: a GET waits already.
        """
        if self._poll is not None:
            session.end(Reason.TRANSPORT_ERROR)
            raise bad_request("a poll is waiting already")
        if not self._queue and session.state is State.POLLING:
            self._poll = asyncio.get_running_loop().create_future()
            watch = _PollWatch(request, self._poll)
            try:
                await self._poll
            except asyncio.CancelledError:  # aiohttp cancels the handler of a cut request, where it is set to
                self._end_cut(session)
                raise
            finally:
                self._poll = None
                watch.stop()
        if request.transport is None or request.transport.is_closing():
            self._end_cut(session)
            return web.Response(headers=NO_STORE)
        return self.respond(session, request, query)

    def respond(self, session: EngineSession, request: web.Request, query: Query) -> web.Response:
        """Return a response with the queued packets. Forget a closed session after its last packets.

        The close packet comes alone, in a response after the last messages: stock clients handle a close
        packet ahead of the messages of the same response, and would take a DISCONNECT there for a lost
        connection.
        """
        packets = self.take()
        if not packets:
            if session.state in (State.CLOSING, State.CLOSING_PROBED):
                packets = [CLOSE_PACKET]
                session.forget()
            else:
                packets = [NOOP_PACKET]
        body, content_type = dump_body(session, packets, query)
        self._owner.counts.bytes_out += len(body)
        response = web.Response(body=body, headers=RESPONSE_HEADERS[content_type])
        if self._owner.settings.compression and len(body) >= COMPRESS_FROM_BYTES:
            coding = preferred_coding(combined(request.headers, "Accept-Encoding"), CODINGS)
            if coding is not None:
                response.enable_compression(web.ContentCoding(coding))
        return response

    def _end_cut(self, session: EngineSession) -> None:
        """End a session whose GET was cut by the client; also one that was closed and lingers.

        A session that moved to WebSocket meanwhile goes on: it took the queued packets with it.
        """
        if session.transport is self:
            session.end(Reason.TRANSPORT_CLOSE)
            session.forget()

    # POST ----------------------------------------------------------------------------------------

    async def take_post(
        self, session: EngineSession, request: web.Request, query: Query
    ) -> web.StreamResponse:
        """Handle the packets of a POST, in order. Broken ones, or a second POST meanwhile, end the session.

        Raises:
            Refusal: the POST can't be taken.
        """
        if self._is_posting:
            session.end(Reason.TRANSPORT_ERROR)
            raise bad_request("a POST is being read already")
        if not is_open(session.state):
            return _accepted()
        self._is_posting = True
        try:
            await self._take_body(session, request, query)
        except Malformed as fault:
            self._owner.counts.malformed[fault.code] += 1
            session.end(Reason.PARSE_ERROR)
            raise bad_request(fault.detail, STATUS.get(fault.code, 400)) from None
        except (web.RequestPayloadError, OSError):  # broken by the client, or the connection is gone
            session.end(Reason.TRANSPORT_ERROR)
            raise bad_request("the body was cut") from None
        finally:
            self._is_posting = False
        return _accepted()

    async def _take_body(self, session: EngineSession, request: web.Request, query: Query) -> None:
        settings = self._owner.settings
        # A client that is silent for longer is gone.
        longest_s = settings.ping_interval_s + settings.ping_timeout_s
        body = await _read_body(session, request, longest_s)
        self._owner.counts.bytes_in += len(body)
        now = asyncio.get_running_loop().time()
        # aiohttp takes a body without a type for binary; the Node server takes it for text.
        content_type = request.content_type if request.headers.get("Content-Type") else ""
        packets = parse_body(session.handshake.protocol, body, content_type, jsonp="j" in query)
        if self._rate is None or self._byte_rate is None:
            self._rate = RateLimiter(settings.max_packet_rate, now)
            self._byte_rate = RateLimiter(settings.max_byte_rate, now)
        if not self._rate.offer(settings.max_packet_rate, now, len(packets)):
            raise too_many_packets()
        if session.newcomer is not None and not session.newcomer.take_packets(len(packets), now):
            raise too_many_packets()
        for number, packet in enumerate(packets, 1):
            if not session.is_open:
                break
            session.receive(packet, now)
            if number % INBOX_HIGH == 0:
                await session.drain()
        session.count_waiting()
        await session.drain()
        pause_s = self._byte_rate.take(settings.max_byte_rate, now, len(body))
        if pause_s:
            self._owner.counts.paced += 1
            await asyncio.sleep(pause_s)


class _PollWatch(asyncio.Protocol):
    """Stands between a connection and the HTTP server while a GET waits, to learn at once when it is cut.

    aiohttp does not tell a handler so unless it is set to cancel all handlers.
    """

    def __init__(self, request: web.Request, poll: asyncio.Future[None]) -> None:
        self._handler = request.protocol
        self._poll = poll
        if self._handler.transport is None:
            poll.set_result(None)
        else:
            self._handler.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._handler.connection_lost(exc)
        if not self._poll.done():
            self._poll.set_result(None)

    def stop(self) -> None:
        """Give the connection back to the HTTP server."""
        if self._handler.transport is not None:
            self._handler.transport.set_protocol(self._handler)


def _accepted() -> web.Response:
    """Return the answer to a POST whose packets were taken."""
    return web.Response(body=b"ok", headers=RESPONSE_HEADERS["text/plain"])


async def _read_body(session: EngineSession, request: web.Request, timeout_s: float) -> bytes:
    """Return the whole body, whether the request states its length or sends it in chunks.

    Raises:
        Malformed: the body is compressed, which that of no client is, or too big, or takes too long.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Malformed(codes.BAD_TYPE, "a compressed body", 1003)
    max_bytes, newcomer, loop = session.max_message_bytes, session.newcomer, asyncio.get_running_loop()
    if request.content_length is not None and request.content_length > max_bytes:
        raise Malformed(codes.TOO_BIG, "the body is too big", 1009)
    body, held = bytearray(), 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise Malformed(codes.TOO_BIG, "the body is too big", 1009)
                if newcomer is not None:
                    newcomer.hold(len(chunk))
                    held += len(chunk)
                    newcomer.take_bytes(len(chunk), loop.time())
    except RuntimeError:  # what aiohttp raises where the connection was cut by this side
        raise ConnectionAbortedError from None
    except TimeoutError:
        raise Malformed(codes.TOO_SLOW, "the body came too slowly", 1008) from None
    finally:
        if newcomer is not None:
            newcomer.hold(-held)
    return bytes(body)


def parse_body(protocol: int, body: bytes, content_type: str, *, jsonp: bool) -> list[Packet]:
    """Return the packets of a POST.

    Raises:
        Malformed: the body breaks its format.
    """
    if jsonp:
        body = parse_jsonp(body)
    binary = content_type == BINARY_TYPE and not jsonp
    if protocol == 4:
        if binary:
            raise Malformed(codes.BAD_TYPE, "version 4 has no binary bodies")
        return parse_payload4(body)
    if binary:
        return parse_binary3(body)
    return parse_text3(body)


def dump_body(session: EngineSession, packets: Sequence[Packet], query: Query) -> tuple[bytes, str]:
    """Return the body that carries packets, in the form that the client asked for, and its content type."""
    is_version_3 = session.handshake.protocol == 3
    if "j" in query:
        text = dump_text3(packets) if is_version_3 else dump_payload4(packets).decode("utf-8")
        return dump_jsonp(query["j"][0], text), "text/javascript"
    if not is_version_3:
        return dump_payload4(packets), "text/plain"
    if session.wire_format & TEXT_ONLY or all(isinstance(packet, str) for packet in packets):
        return dump_text3(packets).encode("utf-8"), "text/plain"
    return dump_binary3(packets), BINARY_TYPE
