"""Engine.IO packets in HTTP bodies: both protocol versions, text, binary and JSONP.

An Engine.IO packet is held as it goes over a WebSocket of version 4: ``str`` is the type digit and the text,
``bytes`` is a binary message. A body is a list of such packets.

Sources: the Engine.IO protocol texts, "HTTP long-polling" and "Payload encoding" of versions 4 and 3.
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
"""More in one body are refused before they are read: they are beyond what a session may send."""

SEPARATOR = "\x1e"


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
    """Packets joined by the record separator, binary ones in base64."""
    return SEPARATOR.join([p if isinstance(p, str) else "b" + _base64(p) for p in packets]).encode("utf-8")


def parse_payload4(body: bytes) -> list[Packet]:
    """The packets of a POST body.

    Raises:
        Malformed: not UTF-8, an empty packet, or base64 that is not.
    """
    packets: list[Packet] = []
    if body.count(SEPARATOR.encode()) >= MAX_PACKETS:
        raise too_many_packets()
    for text in _text(body).split(SEPARATOR):
        if not text:
            raise Malformed(codes.EMPTY_PACKET, "a packet is empty")
        packets.append(_parse_base64(text[1:]) if text[0] == "b" else text)
    return packets


# Version 3 --------------------------------------------------------------------------------------


def _utf16_length(text: str) -> int:
    """Length in UTF-16 code units, which is what JavaScript counts (an emoji is 2)."""
    return len(text) if text.isascii() else len(text) + sum(c > "\uffff" for c in text)


def dump_text3(packets: Sequence[Packet]) -> str:
    """``<length>:<packet>`` repeated; binary as ``b4<base64>``."""
    parts = []
    for packet in packets:
        text = packet if isinstance(packet, str) else dump_binary_packet3(packet)
        parts.append(f"{_utf16_length(text)}:{text}")
    return "".join(parts)


def dump_binary_packet3(data: bytes) -> str:
    """A binary packet as text, for clients that take no binary."""
    return "b4" + _base64(data)


def dump_binary3(packets: Sequence[Packet]) -> bytes:
    """Per packet: 0 for text or 1 for binary, the length as raw decimal digits, 255, the data."""
    parts = []
    for packet in packets:
        data = packet.encode("utf-8") if isinstance(packet, str) else b"\x04" + packet
        digits = bytes(int(d) for d in str(len(data)))
        parts.append((b"\x00" if isinstance(packet, str) else b"\x01") + digits + b"\xff" + data)
    return b"".join(parts)


_LENGTH = re.compile(r"([0-9]{1,10}):")


def parse_text3(body: bytes) -> list[Packet]:
    """The packets of a text body.

    Raises:
        Malformed: not UTF-8, a length that is not a number or does not fit, an empty packet.
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
    """The index that lies ``units`` UTF-16 code units behind ``at``; beyond the end when they do not fit."""
    while units > 0:
        if at >= len(text):
            return len(text) + 1
        units -= 2 if text[at] > "\uffff" else 1
        at += 1
    return at if units == 0 else len(text) + 1


def parse_text_packet3(text: str) -> Packet:
    """A packet that came as text; binary if it is base64.

    Raises:
        Malformed: binary of another type than message, or base64 that is not.
    """
    if text.startswith("b"):
        if text[1:2] != "4":
            raise Malformed(codes.BAD_TYPE, "only messages may be binary")
        return _parse_base64(text[2:])
    return text if text.isascii() else _undo_double_utf8(text)


def _undo_double_utf8(text: str) -> str:
    """Text as the user wrote it, also from socket.io-client 1.x, which encodes it as UTF-8 twice in a POST.

    Such text is Latin-1 that reads as UTF-8. What a later client sends looks so only if it was garbled
    before.
    """
    try:
        return text.encode("latin-1").decode("utf-8")
    except ValueError:
        return text


def parse_binary3(body: bytes) -> list[Packet]:
    """The packets of an ``application/octet-stream`` body.

    Raises:
        Malformed: an unknown kind, a length that is not a number or does not fit, a packet that is empty
        or not UTF-8.
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
    """A binary packet of version 3 without its type byte.

    Raises:
        Malformed: the type is not that of a message.
    """
    if data[:1] != b"\x04":
        raise Malformed(codes.BAD_TYPE, "only messages may be binary")
    return data[1:]


# JSONP (version 3) ------------------------------------------------------------------------------


def dump_jsonp(index: str, payload: str) -> bytes:
    """A script that hands the payload to the page; ``ensure_ascii`` also escapes U+2028 and U+2029."""
    return f"___eio[{index}]({json.dumps(payload)});".encode("ascii")


_ESCAPED_NEWLINE = re.compile(r"(\\)?\\n")


def parse_jsonp(body: bytes) -> bytes:
    r"""The payload in a form post: field ``d``, in which the client doubled the backslash of ``\n``.

    A form turns a newline into CR LF, so the client sends each newline as backslash and n, and a real
    backslash followed by n with one more backslash (engine.io-client, ``polling-jsonp``).

    Raises:
        Malformed: no field ``d``, or not UTF-8.
    """
    for field in _text(body).split("&"):
        if field.startswith("d="):
            try:
                text = unquote_plus(field[2:], errors="strict")
            except UnicodeDecodeError:
                raise Malformed(codes.BAD_UTF8, "the field is not UTF-8", 1007) from None
            return _ESCAPED_NEWLINE.sub(lambda m: "\\n" if m[1] else "\n", text).encode("utf-8")
    raise Malformed(codes.EMPTY_PACKET, "the form has no field d")
