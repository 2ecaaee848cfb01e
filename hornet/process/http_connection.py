"""A connection that aiohttp serves, with what Hornet changes about it.

- A client that closes its sending side behind a whole request is answered (RFC 9112,
  https://www.rfc-editor.org/rfc/rfc9112#section-9.6). aiohttp drops the answer.
- A fault of a request lets go of its bytes.
- What comes behind a request that is not answered yet is counted, and bounded for all connections together.
- Small chunks of a body are counted, since each costs as much as a large one.
- Bodies are not decompressed before a handler asks for them, since a small one may become a large one.
- A refusal repeats nothing of the request, which may hold a secret. A head that is too big is refused.
- The head of a later request has to come within the handshake timeout, as that of the first one. aiohttp only
  has a timeout for connections that are idle.
- ``Server`` names no versions, which would tell an attacker which faults to try.

``tests/engine/test_seams.py`` pins the members of aiohttp that this relies on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from aiohttp import StreamReader, hdrs, web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from hornet.core.headers import MAX_HEAD_BYTES
from hornet.engine import Engine

SERVER = "Hornet"

PIECE_BYTES = 4096
"""How much of a chunked body is parsed at a time."""

NO_HEAD = b"\0"
"""Stands in for the rest of a head that is too big. aiohttp refuses and counts it, anywhere in a head."""


SLOW_HEAD = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class HttpConnection(RequestHandler):
    """One HTTP connection, over which requests come one after the other."""

    leaves_compressed = True
    """``web.bodies`` decompresses."""

    __slots__ = ("_answered", "_engine", "_head_bytes", "_head_timer", "_is_half_closed", "_pipelined")

    def __init__(self, server: web.Server, engine: Engine, *, keepalive_timeout_s: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # aiohttp logs no requests then
            keepalive_timeout=keepalive_timeout_s,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            auto_decompress=False,
        )
        self._engine = engine
        self._head_timer: asyncio.TimerHandle | None = None
        """Ends the connection; None unless a part of a head has come."""
        self._head_bytes = 0
        """How much of a head has come while nothing was under way."""
        self._answered = 0
        """How many requests have been answered altogether."""
        self._is_half_closed = False
        self._pipelined: asyncio.Transport | None = None
        """Its transport, while bytes are counted that came behind a request or around chunks."""

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way, and none waits."""
        return self._waiter is not None and not self._waiter.done()

    def data_received(self, data: bytes) -> None:
        was_idle, size = self.is_idle, len(data)
        is_under_way = self._messages or self._head_bytes or self._current_request is not None
        if size <= PIECE_BYTES and not is_under_way:  # as most are: not within a body, and no head is too big
            is_first = self._request_count == self._answered
            super().data_received(data)
            if is_first and len(self._messages) == 1:
                return
            self._count_pipelined(size)
        else:
            if was_idle and self._head_bytes + size > MAX_HEAD_BYTES:
                end = data.find(b"\r\n\r\n")
                if self._head_bytes + (size if end < 0 else end) > MAX_HEAD_BYTES:
                    data = NO_HEAD
            self._parse(data)
        if was_idle:
            self._time_head(data)

    def _time_head(self, data: bytes) -> None:
        """Count the part of a head that has come. If the rest does not come in time, the connection ends."""
        if not self.is_idle:
            self._head_bytes = 0
        elif self._head_bytes or data.strip():  # empty lines begin no request (RFC 9112, section 2.2)
            self._head_bytes += len(data)
        if self._head_bytes and self._head_timer is None:
            timeout_s = self._engine.settings.handshake_timeout_s
            self._head_timer = asyncio.get_running_loop().call_later(timeout_s, self._on_slow_head)
        elif not self._head_bytes and self._head_timer is not None:
            self._stop_head_timer()

    def _parse(self, data: bytes) -> None:
        """Have a segment parsed, and count what of it waits for a request before it, or is no content."""
        size, body = len(data), self._chunked_body()
        if body is None and size > PIECE_BYTES:
            end = data.find(b"\r\n\r\n") + 4
            super().data_received(data[:end])
            data, body = data[end:], self._chunked_body()
        if body is None:
            super().data_received(data)
        else:
            self._take_chunks(body, data)
        self._count_pipelined(size)

    def _chunked_body(self) -> StreamReader | None:
        """Return the body that comes in chunks, if that of the last request does."""
        request = self._current_request
        message = self._messages[-1][0] if self._messages else None if request is None else request._message
        if message is None or isinstance(message, _ErrInfo) or not message.chunked:
            return None
        return self._messages[-1][1] if request is None or self._messages else request.content

    def _take_chunks(self, body: StreamReader, data: bytes) -> None:
        """Pass on a segment in pieces, so that too many small chunks are noticed before all are parsed."""
        for start in range(0, len(data), PIECE_BYTES):
            piece, before = data[start : start + PIECE_BYTES], body.total_bytes
            super().data_received(piece)
            if not self._count_framing(len(piece) - (body.total_bytes - before)):
                with suppress(RuntimeError, web.RequestPayloadError, OSError):
                    body.read_nowait()  # lets go of it: thousands of small objects
                return

    def _count_framing(self, size: int) -> bool:
        """Count what of a chunked body is not content; cut the connection and return False if too much is."""
        if size <= 0 or self.transport is None:
            return True
        self._pipelined = self.transport
        if self._engine.pipelining.take_framing(self.transport, size):
            return True
        self.transport.abort()
        return False

    def _count_pipelined(self, size: int) -> None:
        """Count a segment after which a request waits behind another; cut the connection if it is too much.

        The first request in the queue waits for none if all before it are answered: it is about to begin.
        """
        waiting = len(self._messages)
        if waiting and self._request_count - waiting == self._answered:
            waiting -= 1
        if waiting and self.transport is not None:
            self._pipelined = self.transport
            if not self._engine.pipelining.hold(self.transport, size):
                self.transport.abort()

    def _release_pipelined(self) -> None:
        if self._pipelined is not None:
            self._engine.pipelining.release(self._pipelined)
            self._pipelined = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        self._release_pipelined()
        super().connection_lost(exc)
        self._messages.clear()  # the connection itself may stay until the garbage collector runs

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_slow_head(self) -> None:
        """Refuse a request whose head did not come in time."""
        self._head_timer = None
        transport = self.transport
        if transport is not None and self.is_idle:
            self._engine.count_slow_head()
            transport.write(SLOW_HEAD)
            self.force_close()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio keeps the connection open if True
        """Keep the connection for the answers to whole requests; let it close in any other case.

        A client that closed the connection altogether looks the same, until something is written to it. Under
        TLS no side can be closed alone.
        """
        request = self._current_request
        if (
            self.is_idle
            or self.ssl_context is not None
            or (request is not None and not request.content.is_eof())
            or not all(payload.is_eof() for _, payload in self._messages)
        ):
            return False
        self._is_half_closed = True
        if not self._messages:
            self.close()  # once the request under way is answered, which it may be already
        return True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the response. The last one for a client that sends no more ends the connection."""
        if self._pipelined is not None and not self._messages:
            self._release_pipelined()
        if isinstance(resp, (web.Response, web.StreamResponse)):  # the second alone is a slow comparison
            resp.headers[hdrs.SERVER] = SERVER
            if self._is_half_closed and not self._messages:
                resp.force_close()
        sent = await super().finish_response(request, resp, start_time)
        self._answered = self._request_count - len(self._messages)
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is no HTTP, or whose handler failed.

        ``message`` quotes the request, so it is left out.
        """
        super().handle_error(request, status, exc)  # logs
        self._forget_faults(exc)
        response = web.Response(status=status, text=f"{status}: {HTTPStatus(status).phrase}\n")
        response.force_close()
        return response

    def _forget_faults(self, fault: BaseException | None) -> None:
        """Let go of the bytes that were no HTTP: the connection ends with the answer to them.

        A fault holds the frames that raised it, and these hold up to 256 KiB, in a circle that only the
        garbage collector finds. Hundreds of such connections would fill the memory before it runs.
        """
        messages = [message for message, _ in self._messages]
        self._messages.clear()
        for each in (fault, *(message.exc for message in messages if isinstance(message, _ErrInfo))):
            if each is not None:
                each.__traceback__ = each.__context__ = None


def http_factory(
    server: web.Server, engine: Engine, *, keepalive_timeout_s: float
) -> Callable[[], HttpConnection]:
    """Return the protocol factory of a server of aiohttp, within the limits of ``engine``."""
    return lambda: HttpConnection(server, engine, keepalive_timeout_s=keepalive_timeout_s)
