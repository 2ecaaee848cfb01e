"""WebSocket frames (RFC 6455), without any I/O.

A server's frames are not masked, so the bytes of a message are the same for every recipient: they are
built once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hornet.core import codes
from hornet.engine.errors import Malformed, too_many_packets

Inflate = Callable[[bytes, int], bytes]
"""Undoes compression: the payload, and how large it may become."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

_COMPRESSED = 0x40


def frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """One final frame from the server."""
    first = 0x80 | opcode | (_COMPRESSED if compressed else 0)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A Close frame; ``reason`` is cut to the 123 bytes there are."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode("utf-8")[:123])


def unmask(payload: bytes, mask: bytes) -> bytes:
    """``payload`` with the client's mask taken off, as one XOR of two large integers."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


_KNOWN_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))


class FrameParser:
    """Turns what a client sends, cut anywhere, into ``(opcode, payload)`` of messages and control frames.

    A text message comes as ``str``, all else as ``bytes``. No message is longer than ``max_bytes``, and
    no more than that and one read is ever held. Of frames, whatever they are, no more than ``left`` are read.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_inflate",
        "_message",
        "_need",
        "_opcode",
        "_squeezed",
        "left",
        "max_bytes",
    )

    def __init__(self, max_bytes: int, inflate: Inflate | None = None) -> None:
        self.max_bytes = max_bytes
        self.left = math.inf
        """May be set before each read."""
        self._inflate = inflate
        # Bytes of an unfinished frame, how many they are and how many it takes to go on: joined once,
        # not at every read, so that a client which sends single bytes costs no more than its bytes.
        self._chunks: list[bytes] | None = None
        self._held = 0
        self._need = 0
        self._message: bytearray | None = None
        self._opcode = 0
        self._squeezed = False

    @property
    def inflates(self) -> bool:
        """Whether the client may compress, and so may the server."""
        return self._inflate is not None

    @property
    def is_idle(self) -> bool:
        """Whether the next byte is the first of a message."""
        return self._chunks is None and self._message is None

    def feed(self, data: bytes) -> list[tuple[int, str | bytes]]:
        """The messages that ``data`` completes.

        Raises:
            Malformed: the client broke the protocol; its ``close_code`` is for the Close frame.
        """
        if self._chunks is not None:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._need:
                return []
            data = b"".join(self._chunks)
            self._chunks = None
        found: list[tuple[int, str | bytes]] = []
        at, size = 0, len(data)
        while at < size:
            start, length = at + 2, 0
            if start <= size:
                first, second = data[at], data[at + 1]
                length = second & 0x7F
                if length >= 126:
                    width = 2 if length == 126 else 8
                    length = int.from_bytes(data[start : start + width], "big")
                    start += width
                if start <= size:
                    self._check(first, second, length)
            end = start + 4 + length
            if size < start or size < end:
                self._chunks, self._held = [data[at:]], size - at
                self._need = (start if size < start else end) - at
                break
            self.left -= 1
            if self.left < 0:
                raise too_many_packets()
            message = self._take(first, unmask(data[start + 4 : end], data[start : start + 4]))
            at = end
            if message is not None:
                found.append(message)
        return found

    def _check(self, first: int, second: int, length: int) -> None:
        """Refuse a frame by its header, before its payload has come."""
        opcode = first & 0x0F
        if not second & 0x80:
            raise Malformed(codes.NOT_MASKED, "a client must mask its frames")
        if first & 0x30 or (first & _COMPRESSED and (self._inflate is None or opcode not in (TEXT, BINARY))):
            raise Malformed(codes.RESERVED_BIT, "a reserved bit is set")
        if opcode >= CLOSE:
            if opcode > PONG or not first & 0x80 or length > 125:
                raise Malformed(codes.BAD_CONTROL, "a control frame is unknown, fragmented or too long")
        elif opcode > BINARY or (opcode == CONTINUATION) == (self._message is None):
            raise Malformed(codes.BAD_FRAGMENT, "a frame of unknown kind, or out of order")
        elif length + (len(self._message) if self._message is not None else 0) > self.max_bytes:
            raise Malformed(codes.TOO_BIG, "the message is too big", 1009)

    def _take(self, first: int, payload: bytes) -> tuple[int, str | bytes] | None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            return opcode, _check_close(payload) if opcode == CLOSE else payload
        if opcode == CONTINUATION:
            assert self._message is not None
            self._message += payload
            if not first & 0x80:
                return None
            opcode, payload = self._opcode, bytes(self._message)
            first = opcode | (_COMPRESSED if self._squeezed else 0)
            self._message = None
        elif not first & 0x80:
            self._opcode, self._squeezed, self._message = (
                opcode,
                bool(first & _COMPRESSED),
                bytearray(payload),
            )
            return None
        if first & _COMPRESSED:
            assert self._inflate is not None
            payload = self._inflate(payload, self.max_bytes)
        if opcode == BINARY:
            return BINARY, payload
        try:
            return TEXT, payload.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed(codes.BAD_UTF8, "a text message is not UTF-8", 1007) from None


def _check_close(payload: bytes) -> bytes:
    """The payload of a Close frame, if it is well formed."""
    if not payload:
        return payload
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _KNOWN_CLOSE_CODES or 3000 <= code < 5000):
        raise Malformed(codes.BAD_CLOSE, "a Close frame with a wrong code")
    try:
        payload[2:].decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(codes.BAD_UTF8, "a Close frame's reason is not UTF-8", 1007) from None
    return payload
