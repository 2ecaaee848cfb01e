"""HTTP long-polling: what a GET and a POST of a session do, and how their bodies are written and read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from aiohttp import web

from hornet.core import codes
from hornet.core.limits import RateLimiter
from hornet.engine.errors import Malformed, bad_request, too_many_packets
from hornet.engine.transport.inbox import INBOX_HIGH
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.states import State
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
"""HTTP's own codes for a body that can't be taken, where it has one."""

Query = Mapping[str, Sequence[str]]

COMPRESS_FROM_BYTES = 1024
"""Shorter responses are not worth compressing (the Node server's threshold)."""


async def answer_poll(session: EngineSession, request: web.Request, query: Query) -> web.Response:
    """Answer a GET with what is queued, as soon as there is anything.

    A second GET while one waits is an error that ends the session; a client that cuts its poll has ended it.
    """
    if session.poll is not None:
        session.drop(Reason.TRANSPORT_ERROR)
        raise bad_request("a poll is waiting already")
    if not session.queue and session.state is State.POLLING:
        session.poll = asyncio.get_running_loop().create_future()
        watch = _Watch(request, session.poll)
        try:
            await session.poll
        except asyncio.CancelledError:  # how aiohttp tells of a cut, where it is set to
            session.lost(Reason.TRANSPORT_CLOSE)
            raise
        finally:
            session.poll = None
            watch.end()
    if request.transport is None or request.transport.is_closing():
        session.lost(Reason.TRANSPORT_CLOSE)
        return web.Response()
    return dump_response(session, session.take() or ["6"], query)


class _Watch(asyncio.Protocol):
    """Stands between a connection and the HTTP server while a poll waits, to learn at once when it is cut.

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

    def end(self) -> None:
        """Give the connection back."""
        if self._handler.transport is not None:
            self._handler.transport.set_protocol(self._handler)


async def take_post(session: EngineSession, request: web.Request, query: Query) -> web.Response:
    """Handle the packets of a POST, in order; broken ones, or a second POST meanwhile, end the session."""
    if session.posting:
        session.drop(Reason.TRANSPORT_ERROR)
        raise bad_request("a POST is being read already")
    if session.state is State.CLOSING:
        return web.Response(text="ok")
    session.posting = True
    try:
        await _take_body(session, request, query)
    except Malformed as fault:
        session.host.counts.malformed[fault.code] += 1
        session.drop(Reason.PARSE_ERROR)
        raise bad_request(fault.detail, STATUS.get(fault.code, 400)) from None
    except (web.RequestPayloadError, OSError):  # broken by the client, or the connection is gone
        session.drop(Reason.TRANSPORT_ERROR)
        raise bad_request("the body was cut") from None
    finally:
        session.posting = False
    return web.Response(text="ok")


async def _take_body(session: EngineSession, request: web.Request, query: Query) -> None:
    settings = session.host.settings
    longest_s = settings.ping_interval_s + settings.ping_timeout_s  # a client silent for so long is gone
    body = await _read_body(request, settings.max_payload_bytes, longest_s)
    session.host.counts.bytes_in += len(body)
    now = asyncio.get_running_loop().time()
    # aiohttp takes a body without a type for binary; the Node server takes it for text.
    content_type = request.content_type if "Content-Type" in request.headers else ""
    packets = parse_body(session.handshake.protocol, body, content_type, jsonp="j" in query)
    if session.posted is None:
        session.posted = RateLimiter(settings.max_packet_rate, now)
    if not session.posted.offer(settings.max_packet_rate, now, len(packets)):
        raise too_many_packets()
    for number, packet in enumerate(packets, 1):
        if not session.is_open:
            break
        session.receive(packet, now)
        if number % INBOX_HIGH == 0:
            await session.drain()
    await session.drain()


async def _read_body(request: web.Request, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, whether it says its length or comes in chunks.

    Raises:
        Malformed: it is too big, or takes too long.
    """
    if request.content_length is not None and request.content_length > max_bytes:
        raise Malformed(codes.TOO_BIG, "the body is too big", 1009)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise Malformed(codes.TOO_BIG, "the body is too big", 1009)
    except TimeoutError:
        raise Malformed(codes.TOO_SLOW, "the body came too slowly", 1008) from None
    return bytes(body)


def parse_body(protocol: int, body: bytes, content_type: str, *, jsonp: bool) -> list[Packet]:
    """The packets of a POST.

    Raises:
        Malformed: the body breaks its format.
    """
    if jsonp:
        body = parse_jsonp(body)
    binary = content_type == "application/octet-stream" and not jsonp
    if protocol == 4:
        if binary:
            raise Malformed(codes.BAD_TYPE, "version 4 has no binary bodies")
        return parse_payload4(body)
    if binary:
        return parse_binary3(body)
    return parse_text3(body)


def dump_response(session: EngineSession, packets: Sequence[Packet], query: Query) -> web.Response:
    """A response that carries packets, in the form that the client asked for."""
    content_type = "text/plain"
    if "j" in query:
        text = (
            dump_text3(packets) if session.handshake.protocol == 3 else dump_payload4(packets).decode("utf-8")
        )
        body, content_type = dump_jsonp(query["j"][0], text), "text/javascript"
    elif session.handshake.protocol == 4:
        body = dump_payload4(packets)
    elif session.wire_format & TEXT_ONLY or all(isinstance(packet, str) for packet in packets):
        body = dump_text3(packets).encode("utf-8")
    else:
        body, content_type = dump_binary3(packets), "application/octet-stream"
    session.host.counts.bytes_out += len(body)
    charset = None if content_type == "application/octet-stream" else "utf-8"
    response = web.Response(body=body, content_type=content_type, charset=charset)
    if session.host.settings.compression and len(body) >= COMPRESS_FROM_BYTES:
        response.enable_compression()
    return response
