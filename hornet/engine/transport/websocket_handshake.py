"""The opening handshake of a WebSocket, and how aiohttp hands its connection over.

Source: RFC 6455, section 4.2 (https://www.rfc-editor.org/rfc/rfc6455#section-4.2).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from hornet.engine.errors import bad_request
from hornet.engine.transport.websocket import WebSocketTransport
from hornet.engine.wire import compression

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""


class Acceptance:
    """The response that opens a WebSocket (RFC 6455, section 4.2.2), and the agreed compression.

    ``headers`` has lower-case names, and all lines of a name joined.

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
        """Whether messages may be compressed (RFC 7692, https://www.rfc-editor.org/rfc/rfc7692)."""
        if extension is not None:
            lines += [b"\r\nSec-WebSocket-Extensions: ", extension.encode("ascii")]
        subprotocols = headers.get("sec-websocket-protocol")
        if subprotocols is not None:
            lines += [b"\r\nSec-WebSocket-Protocol: ", choose_subprotocol(subprotocols).encode("ascii")]
        self.response = b"".join([*lines, b"\r\n\r\n"])


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2 (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)."""


def choose_subprotocol(text: str) -> str:
    """Return the first of the subprotocols that a client asks for, as the Node server does.

    Their names mean nothing to Socket.IO, but a client that gets none of those it asked for closes the
    connection (RFC 6455, section 4.1).

    Raises:
        Refusal: the header is no list of tokens, or names one twice (RFC 6455, section 4.1).
    """
    names = [name.strip(" \t") for name in text.split(",")]
    if not all(map(_TOKEN.fullmatch, names)) or len(set(names)) < len(names):
        raise bad_request("a wrong Sec-WebSocket-Protocol")
    return names[0]


def check_websocket_request(headers: Mapping[str, str]) -> bytes:
    """Return the key of a request that opens a WebSocket (RFC 6455, section 4.2.1) and has no body.

    Raises:
        Refusal: the headers are those of another request.
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
    """A connection on its way from the HTTP server to a WebSocket.

    Raises:
        Refusal: the connection is gone.
    """

    def __init__(self, request: web.BaseRequest) -> None:
        self._handler = request.protocol
        if self._handler.transport is None:
            raise bad_request("the connection is gone")
        self.transport = self._handler.transport

    def hand_over(self, websocket: WebSocketTransport) -> web.StreamResponse:
        """Give the connection to ``websocket``, with the bytes that the client sent behind its request.

        aiohttp keeps a request handler, its parser, a task and timers for a connection. It frees all of them
        when it hears that the connection is lost, and its transport is taken away first, so that aiohttp
        does not close it.
        """
        tail = _Tail()
        self._handler.set_parser(cast("Any", tail))
        self._handler.transport = None
        self._handler.connection_lost(None)
        self.transport.set_protocol(websocket)
        if tail.data:
            websocket.data_received(tail.data)
        return _TakenOver()


class _TakenOver(web.Response):
    """Tells the HTTP server that its connection has been answered and is no longer its own."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Tail:
    """Stands in for aiohttp's own frame parser, and gets the bytes that came behind the request."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None:
        pass
