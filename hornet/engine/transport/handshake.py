"""The way in for WebSockets, ahead of the HTTP server.

aiohttp makes a request handler, a task, a parser and a timer for each connection, and takes them down again
when the WebSocket leaves it: a third of what it costs to connect. So the first bytes of a connection are
looked at here. If they are a whole request that opens a session on a WebSocket, plainly written, it is
answered at once. Anything else (another path, an upgrade, a piece of a request, a header that comes twice,
what must be refused) is handed to aiohttp untouched, and this module has no say in it.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from hornet.engine.socketio.engineio_adapter import EngineIoServer

MAX_HEAD_BYTES = 8190
"""A longer request is aiohttp's, which has limits of its own for each line."""

MAX_HELD_BYTES = 32_768
"""A longer head is refused: what nginx takes with its own limits."""

TOO_SLOW = "HANDSHAKE_TIMEOUT"
TOO_LONG = "HEAD_TOO_BIG"

_REQUEST = re.compile(
    rb"GET (/[^ ?#%]*)\?([\w=&%.,:~+-]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_NOT_OURS = ("content-length", "transfer-encoding", "expect")


def parse_request(data: bytes) -> tuple[bytes, str, dict[str, str], bytes] | None:
    """Path, query string, headers by lower-case name, bytes behind the request; None if in any doubt."""
    request = _REQUEST.match(data, 0, MAX_HEAD_BYTES)
    if request is None:
        return None
    headers: dict[str, str] = {}
    for line in request[3].decode("ascii").split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        name = sys.intern(name.lower())
        if name in headers or name in _NOT_OURS:
            return None
        headers[name] = value
    if "host" not in headers:
        return None
    return request[1], request[2].decode("ascii"), headers, data[request.end() :]


def is_whole(data: bytes) -> bool:
    """Whether ``data`` holds the whole head of a request, or is none, which aiohttp can tell at once."""
    return b"\r\n\r\n" in data or b"\n\n" in data or not data[:1].isalpha()


class Doorway(asyncio.Protocol):
    """A connection until the head of its first request has come, within the handshake timeout.

    aiohttp has a timeout for idle connections only. So who opens many and sends a byte at a time, or none,
    waits here, where a connection costs little, and not for long.
    """

    __slots__ = ("_head", "_http", "_server", "_transport", "scheduled_tick")

    def __init__(self, server: EngineIoServer, http: Callable[[], asyncio.Protocol]) -> None:
        self._server = server
        self._http = http
        self._head = b""
        self.scheduled_tick = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.doorways.add(self)
        self._server.wheel.schedule(
            self, asyncio.get_running_loop().time() + self._server.settings.handshake_timeout_s
        )

    def data_received(self, data: bytes) -> None:
        if self._head or not is_whole(data):
            self._head = data = self._head + data
            if not is_whole(data):
                if len(data) > MAX_HELD_BYTES:
                    self._refuse(TOO_LONG, b"431 Request Header Fields Too Large")
                return
        self._depart()
        request = parse_request(data)
        if request is not None and request[0] in self._server.paths:
            _, query, headers, rest = request
            link = self._server.endpoint.open_websocket(self._transport, query, headers)
            if link is not None:
                self._transport.set_protocol(link)
                if rest:
                    link.data_received(rest)
                return
        handler = self._http()
        self._transport.set_protocol(handler)
        handler.connection_made(self._transport)
        handler.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._depart()

    def on_timeout(self, now: float) -> None:
        """Nothing came, or not all of it."""
        self._refuse(TOO_SLOW, b"408 Request Timeout")

    def _refuse(self, code: str, status: bytes) -> None:
        self._depart()
        self._server.counts.refused[code] += 1
        if self._head:
            self._transport.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _depart(self) -> None:
        self._server.doorways.discard(self)
        self._server.wheel.cancel(self)
