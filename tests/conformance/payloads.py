"""Engine.IO payload codecs of both versions, strict and independent of Hornet's own.

A packet is ``str`` (its type digit and its text, as on a WebSocket) or ``bytes`` (the content of a
binary message, without any type byte). Every decoder raises ``ValueError`` on the slightest
deviation, because what it reads was written by the server under test.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import quote

Packet: TypeAlias = str | bytes

SEPARATOR = "\x1e"
_PACKET = re.compile(r"[0-6].*", re.DOTALL)
_LENGTH = re.compile(r"(?:0|[1-9][0-9]*):")
_JSONP = re.compile(r'___eio\[(\d+)\]\((".*")\);?', re.DOTALL)
_STRING, _BINARY, _END_OF_LENGTH = 0, 1, 255
_MESSAGE = 4


def utf16_units(text: str) -> int:
    """The length of ``text`` as JavaScript counts it: an emoji is 2."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def encode_v4(packets: Iterable[Packet]) -> str:
    """Join packets as Engine.IO 4 polling does."""
    return SEPARATOR.join(p if isinstance(p, str) else f"b{_base64(p)}" for p in packets)


def decode_v4(payload: str) -> list[Packet]:
    """Split a polling payload of Engine.IO 4."""
    return [_unbase64(part[1:]) if part[:1] == "b" else _checked(part) for part in payload.split(SEPARATOR)]


def encode_v3_text(packets: Iterable[Packet]) -> str:
    """Frame packets as Engine.IO 3 polling does where binary must travel as text."""
    parts = [p if isinstance(p, str) else f"b{_MESSAGE}{_base64(p)}" for p in packets]
    return "".join(f"{utf16_units(part)}:{part}" for part in parts)


def decode_v3_text(payload: str) -> list[Packet]:
    """Split a text payload of Engine.IO 3, lengths in UTF-16 code units."""
    units = payload.encode("utf-16-le", "surrogatepass")
    packets: list[Packet] = []
    position = 0
    while position < len(units):
        head = _LENGTH.match(units[position : position + 24].decode("utf-16-le", "surrogatepass"))
        if head is None:
            raise ValueError(f"no length at code unit {position // 2} of {payload!r}")
        start = position + 2 * head.end()
        position = start + 2 * int(head.group()[:-1])
        if position > len(units):
            raise ValueError(f"a length passes the end of {payload!r}")
        packets.append(decode_v3_frame(units[start:position].decode("utf-16-le")))
    return packets


def decode_v3_frame(text: str) -> Packet:
    """Decode one text packet of Engine.IO 3, which may carry binary as ``b4`` and base64."""
    return _unbase64(text[2:]) if text.startswith(f"b{_MESSAGE}") else _checked(text)


def encode_v3_binary(packets: Iterable[Packet]) -> bytes:
    """Frame packets as the ``application/octet-stream`` payload of Engine.IO 3."""
    payload = bytearray()
    for packet in packets:
        kind = _STRING if isinstance(packet, str) else _BINARY
        data = packet.encode() if isinstance(packet, str) else bytes([_MESSAGE]) + packet
        payload += bytes([kind, *map(int, str(len(data))), _END_OF_LENGTH]) + data
    return bytes(payload)


def decode_v3_binary(payload: bytes) -> list[Packet]:
    """Split an ``application/octet-stream`` payload of Engine.IO 3."""
    packets: list[Packet] = []
    position = 0
    while position < len(payload):
        kind = payload[position]
        end = payload.index(_END_OF_LENGTH, position)
        digits = payload[position + 1 : end]
        if kind > _BINARY or not digits or max(digits) > 9:
            raise ValueError(f"bad packet head at byte {position} of {payload!r}")
        position = end + 1 + int("".join(map(str, digits)))
        data = payload[end + 1 : position]
        if position > len(payload):
            raise ValueError(f"a length passes the end of {payload!r}")
        if kind == _STRING:
            packets.append(_checked(data.decode()))
        elif data[:1] == bytes([_MESSAGE]):
            packets.append(data[1:])
        else:
            raise ValueError(f"a binary packet that is no message: {data!r}")
    return packets


def encode_jsonp_form(packets: Iterable[Packet]) -> str:
    r"""Build the form body that a JSONP client posts.

    The client writes a line feed as backslash-n, so that browsers cannot turn it into CR LF, and
    doubles the backslash of a backslash-n which was there before.
    """
    text = encode_v3_text(packets).replace("\\n", "\\\\n").replace("\n", "\\n")
    return f"d={quote(text, safe='')}"


def decode_jsonp(script: str, index: int) -> str:
    """Take the payload out of a JSONP answer that calls ``___eio[index]``."""
    call = _JSONP.fullmatch(script)
    if call is None or int(call[1]) != index:
        raise ValueError(f"no call of ___eio[{index}]: {script!r}")
    if "\u2028" in script or "\u2029" in script:
        raise ValueError("a bare line separator: old browsers end the string there")
    payload = json.loads(call[2])
    assert isinstance(payload, str)
    return payload


def _checked(text: str) -> str:
    if not _PACKET.fullmatch(text):
        raise ValueError(f"not a packet: {text!r}")
    return text


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {text!r}") from error
