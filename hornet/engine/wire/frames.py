"""WebSocket frames, without any I/O.

Source: RFC 6455, section 5 (https://www.rfc-editor.org/rfc/rfc6455#section-5).

A server does not mask its frames (section 5.1), so the bytes of a message are the same for every recipient,
and are built once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hornet.core import codes
from hornet.engine.errors import Malformed, too_many_packets

Inflate = Callable[[bytes, int], bytes]
"""Decompresses a payload, given how many bytes it may become."""

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""Opcodes (RFC 6455, section 5.2)."""

_COMPRESSED = 0x40
"""The bit RSV1 of the first byte, set on the first frame of a compressed message (RFC 7692, section 6,
https://www.rfc-editor.org/rfc/rfc7692#section-6)."""


def frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """Return a whole message of the server as one frame (RFC 6455, section 5.2)."""
    first = 0x80 | opcode | (_COMPRESSED if compressed else 0)
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a Close frame; ``reason`` is cut to the 123 bytes that a control frame has left for it."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode("utf-8")[:123])


def unmask(payload: bytes, mask: bytes) -> bytes:
    """Remove a client's mask (RFC 6455, section 5.3), by one XOR of two large integers."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


_KNOWN_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
"""Codes that a Close frame may carry (RFC 6455, section 7.4.1, and IANA's registry for 1012 to 1014)."""


class FrameParser:
    """Parses the bytes of a client, cut anywhere, into ``(opcode, payload)`` of messages and control frames.

    The payload of a text message is a ``str``, any other is ``bytes``. No message is longer than
    ``max_bytes``, and the parser never holds more than that and one read.
    """

    __slots__ = (
        "_chunks",
        "_held",
        "_inflate",
        "_is_compressed",
        "_message",
        "_need",
        "_opcode",
        "inflated",
        "left",
        "max_bytes",
    )

    def __init__(self, max_bytes: int, inflate: Inflate | None = None) -> None:
        self.max_bytes = max_bytes
        self.left = math.inf
        """How many more frames of any kind the client may send. The caller may set it before each read."""
        self._inflate = inflate
        self.inflated = 0
        """How many bytes were decompressed since the caller last set this to 0."""
        # The reads that make up an unfinished frame, their bytes, and how many bytes the next step needs.
        # They are joined once and not at every read, so that a client which sends single bytes costs no more
        # than its bytes.
        self._chunks: list[bytes] | None = None
        self._held = 0
        self._need = 0
        self._message: bytearray | None = None
        self._opcode = 0
        self._is_compressed = False

    @property
    def inflates(self) -> bool:
        """Whether compression was negotiated, for both directions."""
        return self._inflate is not None

    @property
    def held_bytes(self) -> int:
        """How many bytes of unfinished frames and messages the parser holds."""
        held = 0 if self._chunks is None else self._held
        return held if self._message is None else held + len(self._message)

    @property
    def is_idle(self) -> bool:
        """Whether the next byte is the first of a message."""
        return self._chunks is None and self._message is None

    @property
    def has_more(self) -> bool:
        """Whether it stopped ahead of the end of a read, having decompressed enough; feed it b"" to go on."""
        return self._chunks is not None and not self._need

    def feed(self, data: bytes) -> list[tuple[int, str | bytes]]:
        """Return the messages and control frames that ``data`` completes.

        A read may hold hundreds of messages that become a thousand times as long. So it stops once it has
        decompressed more than ``max_bytes``; ``has_more`` tells.

        Raises:
            Malformed: the client broke the protocol; the error's ``close_code`` is for the Close frame.
        """
        if self._chunks is not None:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._need:
                return []
            data = b"".join(self._chunks)
            self._chunks = None
        messages: list[tuple[int, str | bytes]] = []
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
                messages.append(message)
                if self.inflated > self.max_bytes and at < size:
                    self._chunks, self._held, self._need = [data[at:]], size - at, 0
                    break
        return messages

    def _check(self, first: int, second: int, length: int) -> None:
        """Refuse a frame by its header, before its payload has come.

        Raises:
            Malformed: the header breaks RFC 6455, or the message becomes too long.
        """
        opcode = first & 0x0F
        if not second & 0x80:  # section 5.1: the server must close the connection
            raise Malformed(codes.NOT_MASKED, "a client must mask its frames")
        if first & 0x30 or (first & _COMPRESSED and (self._inflate is None or opcode not in (TEXT, BINARY))):
            raise Malformed(codes.RESERVED_BIT, "a reserved bit is set")
        if opcode >= CLOSE:  # section 5.5
            if opcode > PONG or not first & 0x80 or length > 125:
                raise Malformed(codes.BAD_CONTROL, "a control frame is unknown, fragmented or too long")
        elif opcode > BINARY or (opcode == CONTINUATION) == (self._message is None):  # section 5.4
            raise Malformed(codes.BAD_FRAGMENT, "a frame of unknown kind, or out of order")
        elif length + (len(self._message) if self._message is not None else 0) > self.max_bytes:
            raise Malformed(codes.TOO_BIG, "the message is too big", 1009)

    def _take(self, first: int, payload: bytes) -> tuple[int, str | bytes] | None:
        """Add a frame to its message; return the message when the frame was its last."""
        opcode = first & 0x0F
        if opcode >= CLOSE:
            return opcode, _check_close(payload) if opcode == CLOSE else payload
        if opcode == CONTINUATION:
            assert self._message is not None
            self._message += payload
            if not first & 0x80:
                return None
            opcode, payload = self._opcode, bytes(self._message)
            first = opcode | (_COMPRESSED if self._is_compressed else 0)
            self._message = None
        elif not first & 0x80:
            self._opcode, self._is_compressed, self._message = (
                opcode,
                bool(first & _COMPRESSED),
                bytearray(payload),
            )
            return None
        if first & _COMPRESSED:
            assert self._inflate is not None
            payload = self._inflate(payload, self.max_bytes)
            self.inflated += len(payload)
        if opcode == BINARY:
            return BINARY, payload
        try:
            return TEXT, payload.decode("utf-8")
        except UnicodeDecodeError:  # section 8.1
            raise Malformed(codes.BAD_UTF8, "a text message is not UTF-8", 1007) from None


def _check_close(payload: bytes) -> bytes:
    """Return the payload of a Close frame (RFC 6455, section 5.5.1).

    Raises:
        Malformed: the code is not one that may be sent, or the reason is not UTF-8.
    """
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
