"""Socket.IO packets: the default parser of protocol 5 and 4, and the MessagePack parser.

A client may send anything, so what is parsed is checked as strictly as socket.io-parser does, and only
``Malformed`` comes out. Source: the Socket.IO protocol text, versions 5 and 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships no types

from hornet.core import codes
from hornet.core.jsontext import dump_ascii_json, dump_json, parse_json
from hornet.core.messages import RESERVED_EVENTS
from hornet.engine.errors import Malformed


class Type(IntEnum):
    """Types of a Socket.IO packet."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


@dataclass(slots=True)
class SioPacket:
    """One Socket.IO packet; ``namespace`` has no query string, which comes apart in ``query``."""

    type: Type
    data: Any = None
    namespace: str = "/"
    id: int | None = None
    query: str = ""
    waits_for: int = 0
    """Binary attachments that follow as packets of their own."""
    attachments: list[bytes] = field(default_factory=list)

    def attach(self, data: bytes) -> bool:
        """Take the next attachment; True when it was the last, and ``data`` is whole.

        Raises:
            Malformed: a placeholder names an attachment that is not there.
        """
        self.attachments.append(data)
        if len(self.attachments) < self.waits_for:
            return False
        self.data = _put_attachments(self.data, self.attachments)
        return True


# Parsing ----------------------------------------------------------------------------------------

_TYPES = tuple(Type)
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,]*)(?:,|$))?([0-9]{1,20})?", re.DOTALL)


def parse_packet(text: str) -> SioPacket:
    """The packet in the text of a message.

    Raises:
        Malformed: not a Socket.IO packet, or one that only a server sends.
    """
    if text.startswith("2["):  # an event of the default namespace that wants no answer: most packets are
        packet = SioPacket(Type.EVENT, _parse_data(text[1:]))
        check_packet(packet)
        return packet
    head = _HEAD.match(text)
    if head is None:
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    kind, count, namespace, ack, rest = (
        _TYPES[int(head[1])],
        head[2],
        head[3] or "/",
        head[4],
        text[head.end() :],
    )
    binary = kind in (Type.BINARY_EVENT, Type.BINARY_ACK)
    if binary != (count is not None):
        raise Malformed(codes.BAD_PACKET, "a binary packet and its number of attachments belong together")
    data = _parse_data(rest) if rest else None
    namespace, _, query = namespace.partition("?")
    packet = SioPacket(kind, data, namespace, None if ack is None else int(ack), query)
    check_packet(packet)
    if binary:
        packet.waits_for = int(count)
        if not 0 < packet.waits_for <= text.count('"_placeholder"'):
            raise Malformed(codes.BAD_PACKET, "the number of attachments is not that of the placeholders")
    return packet


def _parse_data(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise Malformed(codes.BAD_JSON, "a packet's data is not JSON") from None


_MSGPACK_TYPES = {
    4: {kind: kind for kind in (Type.CONNECT, Type.DISCONNECT, Type.EVENT, Type.ACK)},
    3: {
        Type.EVENT: Type.EVENT,
        Type.ACK: Type.ACK,
        # 2.x looks for bytes before it knows its parser; they are in the packet like all else.
        Type.BINARY_EVENT: Type.EVENT,
        Type.BINARY_ACK: Type.ACK,
    },
}
_MSGPACK_TEXT_TYPES = {kind: kind for kind in (Type.CONNECT, Type.DISCONNECT)}


def parse_msgpack(data: bytes, protocol: int = 4) -> SioPacket:
    """The packet in one binary message of the MessagePack parser, from a client of that Engine.IO version.

    Raises:
        Malformed: not MessagePack, or not a packet.
    """
    try:
        fields = msgpack.unpackb(data, strict_map_key=False, ext_hook=_parse_extension)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.exceptions.UnpackException):
        raise Malformed(codes.BAD_MSGPACK, "not MessagePack") from None
    return _parse_fields(fields, _MSGPACK_TYPES[protocol])


def parse_msgpack_text(text: str) -> SioPacket:
    """The packet in a text of the MessagePack parser for 2.x, which writes as JSON what holds no event.

    Raises:
        Malformed: not JSON, not a packet, or an event or acknowledgement, which never come so.
    """
    try:
        fields = parse_json(text)
    except ValueError:
        raise Malformed(codes.BAD_JSON, "not JSON") from None
    return _parse_fields(fields, _MSGPACK_TEXT_TYPES)


def _parse_fields(fields: object, types: Mapping[Type, Type]) -> SioPacket:
    """The packet in a map of the MessagePack parser, with ``types`` to take and what each of them means."""
    if not isinstance(fields, dict):
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    kind, namespace, ack = fields.get("type"), fields.get("nsp"), fields.get("id")
    if (
        type(kind) is not int
        or kind not in types
        or not isinstance(namespace, str)
        or not (ack is None or (type(ack) is int and ack >= 0))
    ):
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    namespace, _, query = namespace.partition("?")
    packet = SioPacket(types[Type(kind)], fields.get("data"), namespace, ack, query)
    check_packet(packet)
    return packet


def _parse_extension(code: int, data: bytes) -> object:
    """JavaScript's ``undefined``, which the clients' encoder (notepack) writes as extension 0, as None."""
    return None if code == 0 and data == b"\x00" else msgpack.ExtType(code, data)


def check_packet(packet: SioPacket) -> None:
    """Check that the data fits the type, by the rules of socket.io-parser.

    Raises:
        Malformed: it does not, or the type is one that only a server sends.
    """
    data = packet.data
    match packet.type:
        case Type.EVENT | Type.BINARY_EVENT:
            good = isinstance(data, list) and len(data) > 0 and _is_event_name(data[0])
        case Type.CONNECT:
            good = data is None or isinstance(data, dict)
        case Type.DISCONNECT:
            good = data is None
        case Type.ACK | Type.BINARY_ACK:
            good = isinstance(data, list) and packet.id is not None
        case _:
            good = False
    if not good:
        raise Malformed(codes.BAD_PACKET, f"a {packet.type.name} packet with wrong data")


def _is_event_name(name: object) -> bool:
    return isinstance(name, str) and name not in RESERVED_EVENTS


def _put_attachments(value: Any, attachments: Sequence[bytes]) -> Any:
    """``value`` with each placeholder replaced by the attachment it names."""
    try:
        return _replace_placeholders(value, attachments)
    except RecursionError:
        raise Malformed(codes.BAD_PACKET, "nested too deeply") from None


def _replace_placeholders(value: Any, attachments: Sequence[bytes]) -> Any:
    if isinstance(value, list):
        return [_replace_placeholders(item, attachments) for item in value]
    if isinstance(value, dict):
        if value.get("_placeholder") is True:
            number = value.get("num")
            if type(number) is not int or not 0 <= number < len(attachments):
                raise Malformed(codes.BAD_PACKET, "a placeholder names no attachment")
            return attachments[number]
        return {key: _replace_placeholders(item, attachments) for key, item in value.items()}
    return value


# Dumping ----------------------------------------------------------------------------------------


def dump_packet(packet: SioPacket, *, ascii_only: bool = False) -> list[str | bytes]:
    """The Engine.IO messages of a packet: its text, then its attachments, which it takes out of ``data``.

    With ``ascii_only`` all else is escaped in the JSON.

    Raises:
        ValueError: a number that JSON has no text for. TypeError: an object that is no JSON data.
    """
    attachments: list[str | bytes] = []
    kind, data, count = packet.type, packet.data, ""
    if kind in (Type.EVENT, Type.ACK) and _has_binary(data):
        data = _take_attachments(data, attachments)
        kind = Type.BINARY_EVENT if kind == Type.EVENT else Type.BINARY_ACK
        count = f"{len(attachments)}-"
    namespace = "" if packet.namespace == "/" else packet.namespace + ","
    ack = "" if packet.id is None else str(packet.id)
    body = "" if data is None else (dump_ascii_json if ascii_only else dump_json)(data)
    return [f"4{kind.value}{count}{namespace}{ack}{body}", *attachments]


def dump_msgpack(packet: SioPacket) -> bytes:
    """The one binary message of a packet for the MessagePack parser."""
    fields: dict[str, Any] = {"type": packet.type.value, "nsp": packet.namespace}
    if packet.data is not None:
        fields["data"] = packet.data
    if packet.id is not None:
        fields["id"] = packet.id
    dumped: bytes = msgpack.packb(fields, unicode_errors="replace")
    return dumped


def _has_binary(value: Any) -> bool:
    if isinstance(value, (bytes, bytearray)):
        return True
    if isinstance(value, (list, tuple)):
        return any(_has_binary(item) for item in value)
    if isinstance(value, dict):
        return any(_has_binary(item) for item in value.values())
    return False


def _take_attachments(value: Any, attachments: list[str | bytes]) -> Any:
    if isinstance(value, (bytes, bytearray)):
        attachments.append(bytes(value))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(value, (list, tuple)):
        return [_take_attachments(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: _take_attachments(item, attachments) for key, item in value.items()}
    return value
