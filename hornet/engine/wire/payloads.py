"""Engine.IO packets in HTTP bodies: both protocol versions, text, binary and JSONP.

A ``Packet`` is the content of a WebSocket frame of version 4: a ``str`` is the type digit and the text,
``bytes`` are a binary message. A body is a list of packets.

Sources: the Engine.IO protocol (https://github.com/socketio/engine.io-protocol), version 4, "Packet encoding,
HTTP long-polling", and version 3, "Encoding" and "JSONP".
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from urllib.parse import unquote_plus

from hornet.core import codes
from hornet.engine.errors import Malformed, too_many_packets

Packet = str | bytes

MAX_PACKETS = 10_000
"""A body with more is refused before all of it is parsed: more than that no session may send."""

SEPARATOR = "\x1e"
"""Stands between the packets of a body in version 4."""


def _parse_base64(text: str) -> bytes:
    try:
        return a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError):
        raise Malformed(codes.BAD_BASE64, "a binary packet is not base64") from None


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode("ascii")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed(codes.BAD_UTF8, "the body is not UTF-8", 1007) from None


# Version 4 --------------------------------------------------------------------------------------


def dump_payload4(packets: Sequence[Packet]) -> bytes:
    """Join packets by the separator; binary packets become ``b`` and base64."""
    return SEPARATOR.join([p if isinstance(p, str) else dump_binary_packet4(p) for p in packets]).encode(
        "utf-8"
    )


def dump_binary_packet4(data: bytes) -> str:
    """Dump a binary packet as text, for polling and for clients that take no binary."""
    return "b" + _base64(data)


def parse_payload4(body: bytes) -> list[Packet]:
    """Parse the packets of a POST body.

    Raises:
        Malformed: the body is not UTF-8, or has too many packets, an empty one, or wrong base64.
    """
    packets: list[Packet] = []
    if body.count(SEPARATOR.encode()) >= MAX_PACKETS:
        raise too_many_packets()
    for text in _text(body).split(SEPARATOR):
        if not text:
            raise Malformed(codes.EMPTY_PACKET, "a packet is empty")
        packets.append(parse_binary_text4(text) if text[0] == "b" else text)
    return packets


def parse_binary_text4(text: str) -> bytes:
    """Parse a binary packet that came as text: ``b`` and base64.

    Raises:
        Malformed: the base64 is wrong.
    """
    return _parse_base64(text[1:])


# Version 3 --------------------------------------------------------------------------------------


def _utf16_length(text: str) -> int:
    """Return the length in UTF-16 code units, which is what JavaScript counts (an emoji is 2)."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def dump_text3(packets: Sequence[Packet]) -> str:
    """Dump packets as ``<length>:<packet>``, one after the other; binary ones as ``b4<base64>``."""
    parts = []
    for packet in packets:
        text = packet if isinstance(packet, str) else dump_binary_packet3(packet)
        parts.append(f"{_utf16_length(text)}:{text}")
    return "".join(parts)


def dump_binary_packet3(data: bytes) -> str:
    """Dump a binary packet as text, for clients that take no binary."""
    return "b4" + _base64(data)


def dump_binary3(packets: Sequence[Packet]) -> bytes:
    """Dump packets as binary, one after the other.

    Each is a 0 for text or a 1 for binary, the length as one byte for each decimal digit, 255, and the data.
    """
    parts = []
    for packet in packets:
        data = packet.encode("utf-8") if isinstance(packet, str) else b"\x04" + packet
        digits = bytes(int(d) for d in str(len(data)))
        parts.append((b"\x00" if isinstance(packet, str) else b"\x01") + digits + b"\xff" + data)
    return b"".join(parts)


_LENGTH = re.compile(r"([0-9]{1,10}):")


def parse_text3(body: bytes) -> list[Packet]:
    """Parse the packets of a text body.

    Raises:
        Malformed: the body is not UTF-8, or has too many packets, or one that is empty or whose length is no
            number or does not fit.
    """
    text = _text(body)
    packets: list[Packet] = []
    astral = any(c > "\uffff" for c in text)
    at = 0
    while at < len(text):
        head = _LENGTH.match(text, at)
        if head is None:
            raise Malformed(codes.BAD_LENGTH, "a packet has no length")
        at, units = head.end(), int(head[1])
        end = at + units if not astral else _advance(text, at, units)
        if end > len(text) or units == 0:
            raise Malformed(codes.BAD_LENGTH, "a packet's length does not fit")
        packets.append(parse_text_packet3(text[at:end]))
        if len(packets) > MAX_PACKETS:
            raise too_many_packets()
        at = end
    if not packets:
        raise Malformed(codes.EMPTY_PACKET, "the body has no packet")
    return packets


def _advance(text: str, at: int, units: int) -> int:
    """Return the index ``units`` UTF-16 code units behind ``at``; one beyond the end when they do not fit."""
    while units > 0:
        if at >= len(text):
            return len(text) + 1
        units -= 2 if text[at] > "\uffff" else 1
        at += 1
    return at if units == 0 else len(text) + 1


def parse_text_packet3(text: str) -> Packet:
    """Parse a packet that came as text; ``b4`` and base64 is a binary one.

    Raises:
        Malformed: the packet is binary but no message, or its base64 is wrong.
    """
    if text.startswith("b"):
        if text[1:2] != "4":
            raise Malformed(codes.BAD_TYPE, "only messages may be binary")
        return _parse_base64(text[2:])
    return text if text.isascii() else _undo_double_utf8(text)


def _undo_double_utf8(text: str) -> str:
    """Undo the second UTF-8 encoding of socket.io-client 1.x, which encodes the text of a POST twice.

    Such text consists of Latin-1 characters that, as bytes, are UTF-8. The text of a later client looks like
    that only if it was garbled before; it is returned as it is.
    """
    try:
        return text.encode("latin-1").decode("utf-8")
    except ValueError:
        return text


def parse_binary3(body: bytes) -> list[Packet]:
    """Parse the packets of an ``application/octet-stream`` body.

    Raises:
        Malformed: the body has too many packets, or one of unknown kind, one that is empty or not UTF-8, or
            one whose length is no number or does not fit.
    """
    packets: list[Packet] = []
    at = 0
    while at < len(body):
        kind = body[at]
        end = body.find(b"\xff", at, at + 13)
        if kind > 1 or end < at + 2 or any(d > 9 for d in body[at + 1 : end]):
            raise Malformed(codes.BAD_LENGTH, "a packet has no length")
        length = int("".join(str(d) for d in body[at + 1 : end]))
        data = body[end + 1 : end + 1 + length]
        if not length or len(data) < length:
            raise Malformed(codes.BAD_LENGTH, "a packet's length does not fit")
        packets.append(_text(data) if kind == 0 else parse_binary_packet3(data))
        if len(packets) > MAX_PACKETS:
            raise too_many_packets()
        at = end + 1 + length
    if not packets:
        raise Malformed(codes.EMPTY_PACKET, "the body has no packet")
    return packets


def parse_binary_packet3(data: bytes) -> bytes:
    """Remove the type byte of a binary packet of version 3.

    Raises:
        Malformed: the type is not that of a message.
    """
    if data[:1] != b"\x04":
        raise Malformed(codes.BAD_TYPE, "only messages may be binary")
    return data[1:]


# JSONP (version 3) ------------------------------------------------------------------------------


def dump_jsonp(index: str, payload: str) -> bytes:
    """Dump a payload as a script that calls the page's function for it.

    The JSON is ASCII, so U+2028 and U+2029, which end a line of JavaScript, are escaped too.
    """
    return f"___eio[{index}]({json.dumps(payload)});".encode("ascii")


_ESCAPED_NEWLINE = re.compile(r"(\\)?\\n")


def parse_jsonp(body: bytes) -> bytes:
    r"""Parse a form post: return its field ``d`` with the newlines that the client escaped.

    A form turns a newline into CR LF. So the client sends a newline as backslash and n, and a backslash that
    is followed by n as two backslashes (Engine.IO protocol 3, "Posting data").

    Raises:
        Malformed: there is no field ``d``, or it is not UTF-8.
    """
    for field in _text(body).split("&"):
        if field.startswith("d="):
            try:
                text = unquote_plus(field[2:], errors="strict")
            except UnicodeDecodeError:
                raise Malformed(codes.BAD_UTF8, "the field is not UTF-8", 1007) from None
            return _ESCAPED_NEWLINE.sub(lambda m: "\\n" if m[1] else "\n", text).encode("utf-8")
    raise Malformed(codes.EMPTY_PACKET, "the form has no field d")
