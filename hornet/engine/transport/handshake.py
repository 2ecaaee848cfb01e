"""The first request of a connection, ahead of the HTTP server.

aiohttp makes a request handler, a task, a parser and a timer for each connection, and takes them down again
when the WebSocket leaves it: a third of the cost of a connection. So this module looks at the first bytes of
a connection. If they are a whole, plainly written request that opens a session on a WebSocket, the request is
answered at once. aiohttp gets anything else untouched: another path, an upgrade, a header that comes twice,
a request that must be refused.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import cast

from hornet.core import codes
from hornet.core.headers import MAX_HEAD_BYTES
from hornet.engine.errors import Malformed
from hornet.engine.transport.connection_limit import ConnectionLimiter, refusal_response
from hornet.engine.transport.endpoint import Endpoint
from hornet.engine.transport.header_names import lower_name
from hornet.engine.transport.newcomers import Newcomer
from hornet.engine.transport.session_table import SessionTable

MAX_HEADERS = 128
"""aiohttp, too, refuses a request with more header lines. A session keeps its headers, and a line of six
bytes takes 200 bytes of memory."""

_REQUEST = re.compile(
    rb"GET (/[^ ?#%]*)\?([\w=&%.,:~+-]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_FOR_AIOHTTP = ("content-length", "transfer-encoding", "expect")
"""Headers of requests that aiohttp answers: those with a body."""


def parse_request(data: bytes) -> tuple[bytes, str, dict[str, str], bytes] | None:
    """Return path, query string, headers by lower-case name, and the bytes behind the request.

    None for a request that is not plainly written, which aiohttp then parses. The form is that of HTTP/1.1
    (RFC 9112, https://www.rfc-editor.org/rfc/rfc9112#section-2), without all that is rare.
    """
    request = _REQUEST.match(data, 0, MAX_HEAD_BYTES)
    if request is None:
        return None
    lines = request[3].decode("ascii").split("\r\n")[:-1]
    if len(lines) > MAX_HEADERS:
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        name = lower_name(name)
        if name in headers or name in _FOR_AIOHTTP:
            return None
        headers[name] = value
    if "host" not in headers:
        return None
    return request[1], request[2].decode("ascii"), headers, data[request.end() :]


def is_whole(data: bytes) -> bool:
    """Return whether ``data`` holds the whole head of a request, or bytes that no request begins with.

    aiohttp refuses the latter at once.
    """
    return b"\r\n\r\n" in data or b"\n\n" in data or not data[:1].isalpha()


class HandshakeProtocol(asyncio.Protocol):
    """A connection until the head of its first request has come, within the handshake timeout.

    aiohttp has a timeout for idle connections only. A client that opens many connections and sends nothing,
    or a byte at a time, therefore waits here, where a connection costs little, and not for long.
    """

    __slots__ = (
        "_address",
        "_endpoint",
        "_head",
        "_http",
        "_limiter",
        "_newcomer",
        "_table",
        "_transport",
        "scheduled_tick",
    )

    def __init__(
        self,
        *,
        table: SessionTable,
        endpoint: Endpoint,
        limiter: ConnectionLimiter,
        http: Callable[[], asyncio.Protocol],
    ) -> None:
        self._table = table
        self._endpoint = endpoint
        self._limiter = limiter
        self._http = http
        self._head = b""
        self._address = ""
        """The address that this connection counts for; "" when it does not count."""
        self._newcomer: Newcomer | None = None
        """Its share of what may be left unfinished; None until a part of a request has come."""
        self.scheduled_tick = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = self._limiter.counted_address(transport)
        code = self._limiter.refusal(transport, address)
        if code:
            self._transport.write(refusal_response(code))
            self._transport.close()
            return
        self._address = address
        self._limiter.enter(address)
        self._table.pending.add(self)
        self._table.wheel.schedule(
            self, asyncio.get_running_loop().time() + self._table.settings.handshake_timeout_s
        )

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():  # the connection was refused
            return
        if self._head or not is_whole(data):
            self._head = data = self._head + data
            if not is_whole(data):
                if len(data) > MAX_HEAD_BYTES:
                    self._refuse(codes.HEAD_TOO_BIG, b"431 Request Header Fields Too Large")
                else:
                    self._hold(data)
                return
        if len(data) > MAX_HEAD_BYTES and not is_whole(data[:MAX_HEAD_BYTES]):
            self._head = data
            self._refuse(codes.HEAD_TOO_BIG, b"431 Request Header Fields Too Large")
            return
        self._leave()
        if not self._open_websocket(data):
            handler = self._http()
            self._transport.set_protocol(handler)
            handler.connection_made(self._transport)
            handler.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def on_timeout(self, now: float) -> None:
        """Refuse the connection: its first request did not come, or not all of it."""
        self._refuse(codes.HANDSHAKE_TIMEOUT, b"408 Request Timeout")

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _open_websocket(self, data: bytes) -> bool:
        """Open a session on a WebSocket, if the request asks for that and need not be refused."""
        request = parse_request(data)
        if request is None or request[0] not in self._endpoint.paths:
            return False
        _, query, headers, rest = request
        websocket = self._endpoint.open_websocket(self._transport, query, headers)
        if websocket is None:
            return False
        self._transport.set_protocol(websocket)
        if rest:
            websocket.data_received(rest)
        return True

    def _hold(self, data: bytes) -> None:
        """Count the part of a request that has come; refuse it where newcomers have left too much."""
        if self._newcomer is None:
            self._newcomer = self._table.newcomers.enter(self._address)
        try:
            self._newcomer.hold_waiting(len(data))
        except Malformed:
            self._refuse(codes.TOO_MUCH_UNFINISHED, b"503 Service Unavailable")

    def _refuse(self, code: str, status: bytes) -> None:
        self._leave()
        self._table.counts.refused[code] += 1
        if self._head:
            self._transport.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        self._transport.close()

    def _leave(self) -> None:
        """Stop counting this connection, and stop its timeout."""
        self._limiter.leave(self._address)
        self._address = ""
        if self._newcomer is not None:
            self._newcomer.leave()
        self._table.pending.discard(self)
        self._table.wheel.cancel(self)
