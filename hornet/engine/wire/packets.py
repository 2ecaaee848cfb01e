"""Socket.IO packets: the default parser of protocol 5 and 4, and the MessagePack parser.

A client may send anything. So each packet is checked as strictly as in socket.io-parser, and a parser raises
nothing but ``Malformed``. Source: the Socket.IO protocol (https://github.com/socketio/socket.io-protocol),
"Packet encoding" and "Difference between v5 and v4".
"""

from __future__ import annotations

import math
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
    """Types of a Socket.IO packet (Socket.IO protocol, "Exchange protocol")."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


@dataclass(slots=True)
class SioPacket:
    """One Socket.IO packet; the query string of its namespace, which version 4 may have, is in ``query``."""

    type: Type
    data: Any = None
    namespace: str = "/"
    id: int | None = None
    query: str = ""
    waits_for: int = 0
    """How many binary attachments follow, each in a packet of its own."""
    attachments: list[bytes] = field(default_factory=list)
    size: int = 0
    """How many bytes the client sent for it."""

    def attach(self, data: bytes) -> bool:
        """Take the next attachment; return True when it was the last, and ``data`` is whole.

        Raises:
            Malformed: a placeholder in ``data`` names no attachment.
        """
        self.attachments.append(data)
        self.size += len(data)
        if len(self.attachments) < self.waits_for:
            return False
        self.data = _put_attachments(self.data, self.attachments)
        return True


MAX_CONTAINERS = 10_000
"""How many lists and objects a message may have, unless the caller says otherwise."""

# Parsing ----------------------------------------------------------------------------------------

_TYPES = tuple(Type)
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,10})-)?(?:(/[^,]*)(?:,|$))?([0-9]{1,20})?", re.DOTALL)


def parse_packet(text: str) -> SioPacket:
    """Parse the text of a message.

    Raises:
        Malformed: the text is no Socket.IO packet, or one that only a server sends.
    """
    if text.startswith("2["):  # most packets: events of the default namespace that ask for no ACK
        packet = SioPacket(Type.EVENT, _parse_data(text[1:]))
        check_packet(packet)
        return packet
    head = _HEAD.match(text)
    if head is None:
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    packet_type, count, namespace, ack, rest = (
        _TYPES[int(head[1])],
        head[2],
        head[3] or "/",
        head[4],
        text[head.end() :],
    )
    binary = packet_type in (Type.BINARY_EVENT, Type.BINARY_ACK)
    if binary != (count is not None):
        raise Malformed(codes.BAD_PACKET, "a binary packet and its number of attachments belong together")
    data = _parse_data(rest) if rest else None
    namespace, _, query = namespace.partition("?")
    packet = SioPacket(packet_type, data, namespace, None if ack is None else int(ack), query)
    check_packet(packet)
    if binary:
        packet.waits_for = int(count)
        if not packet.waits_for:
            raise Malformed(codes.BAD_PACKET, "a binary packet without attachments")
    return packet


def check_containers(text: str, max_containers: int) -> None:
    """Check that a text of JSON has no more lists and objects than it may have; no matter if it is JSON.

    They are counted by their brackets, since a parser makes an object of each: an empty list, which is two
    bytes of a message, takes 80 bytes of memory.

    Raises:
        Malformed: there are more.
    """
    if text.count("[") + text.count("{") > max_containers:  # also those in texts
        outside = _TEXT.sub("", text)
        if outside.count("[") + outside.count("{") > max_containers:
            raise _too_many_containers()


_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A text of JSON (RFC 8259, https://www.rfc-editor.org/rfc/rfc8259#section-7), or all behind a quote that no
other follows: so each character is looked at once."""


def _too_many_containers() -> Malformed:
    return Malformed(codes.TOO_MANY_CONTAINERS, "too many lists and objects", 1009)


def _parse_data(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise Malformed(codes.BAD_JSON, "a packet's data is not JSON") from None


_MSGPACK_TYPES = {
    4: {packet_type: packet_type for packet_type in (Type.CONNECT, Type.DISCONNECT, Type.EVENT, Type.ACK)},
    3: {
        Type.EVENT: Type.EVENT,
        Type.ACK: Type.ACK,
        # 2.x looks for bytes before it knows its parser; they are in the packet like all else.
        Type.BINARY_EVENT: Type.EVENT,
        Type.BINARY_ACK: Type.ACK,
    },
}
_MSGPACK_TEXT_TYPES = {packet_type: packet_type for packet_type in (Type.CONNECT, Type.DISCONNECT)}


def parse_msgpack(data: bytes, protocol: int = 4, max_containers: int = MAX_CONTAINERS) -> SioPacket:
    """Parse a binary message of the MessagePack parser; ``protocol`` is the client's Engine.IO version.

    Raises:
        Malformed: the message is not MessagePack, or no packet, or has too many lists and objects.
    """
    try:
        fields = _unpack(data, max_containers)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.exceptions.UnpackException):
        raise Malformed(codes.BAD_MSGPACK, "not MessagePack") from None
    return _parse_fields(fields, _MSGPACK_TYPES[protocol])


UNCHECKED_BYTES = 1024
"""A shorter message of MessagePack is unpacked without a look at its structure first."""


def _unpack(data: bytes, max_containers: int) -> object:
    """Unpack a message.

    A header of 3 bytes announces up to 65,535 items, for which the unpacker makes room before it sees one. A
    message of nothing but such headers, each inside the other, would make it reserve gigabytes. So the
    structure of all but short messages is walked first, which makes no objects.
    """
    if len(data) <= min(UNCHECKED_BYTES, max_containers):
        return msgpack.unpackb(data, strict_map_key=False, ext_hook=_parse_extension)
    walker = msgpack.Unpacker(max_buffer_size=len(data))
    walker.feed(data)
    walker.skip()
    if len(data) <= max_containers:
        return msgpack.unpackb(data, strict_map_key=False, ext_hook=_parse_extension)
    left = max_containers

    def count(container: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _too_many_containers()
        return container

    return msgpack.unpackb(
        data,
        strict_map_key=False,
        list_hook=count,
        object_hook=count,
        ext_hook=lambda code, data: count(_parse_extension(code, data)),
    )


def parse_msgpack_text(text: str) -> SioPacket:
    """Parse a text of the MessagePack parser for 2.x, which sends CONNECT and DISCONNECT as JSON.

    Raises:
        Malformed: the text is not JSON, or no packet of these types.
    """
    try:
        fields = parse_json(text)
    except ValueError:
        raise Malformed(codes.BAD_JSON, "not JSON") from None
    return _parse_fields(fields, _MSGPACK_TEXT_TYPES)


def _parse_fields(fields: object, types: Mapping[Type, Type]) -> SioPacket:
    """Check a map of the MessagePack parser; ``types`` maps each allowed type to its meaning."""
    if not isinstance(fields, dict):
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    packet_type, namespace, ack = fields.get("type"), fields.get("nsp"), fields.get("id")
    if (
        type(packet_type) is not int
        or packet_type not in types
        or not isinstance(namespace, str)
        or not (ack is None or (type(ack) is int and ack >= 0))
    ):
        raise Malformed(codes.BAD_PACKET, "not a Socket.IO packet")
    namespace, _, query = namespace.partition("?")
    packet = SioPacket(types[Type(packet_type)], fields.get("data"), namespace, ack, query)
    check_packet(packet)
    return packet


def _parse_extension(code: int, data: bytes) -> object:
    """Return None for extension 0: notepack, the clients' encoder, writes ``undefined`` so."""
    return None if code == 0 and data == b"\x00" else msgpack.ExtType(code, data)


def check_packet(packet: SioPacket) -> None:
    """Check that the data fits the type, by the rules of socket.io-parser.

    Socket.IO protocol, "Sending and receiving data": an event's data is an array that is not empty.
    "Acknowledgement": an ACK has an array, maybe an empty one, and the id of its event.

    Raises:
        Malformed: the data does not fit, or the type is one that only a server sends.
    """
    data = packet.data
    match packet.type:
        case Type.EVENT | Type.BINARY_EVENT:
            fits = isinstance(data, list) and len(data) > 0 and _is_event_name(data[0])
            if fits and not isinstance(data[0], str):
                data[0] = str(data[0])
        case Type.CONNECT:
            fits = data is None or isinstance(data, dict)
        case Type.DISCONNECT:
            fits = data is None
        case Type.ACK | Type.BINARY_ACK:
            fits = isinstance(data, list) and packet.id is not None
        case _:
            fits = False
    if not fits:
        raise Malformed(codes.BAD_PACKET, f"a {packet.type.name} packet with wrong data")


def _is_event_name(name: object) -> bool:
    """Return whether an event may have that name; a number is one, and stands for its text."""
    return name not in RESERVED_EVENTS if isinstance(name, str) else type(name) in (int, float)


def _put_attachments(value: Any, attachments: Sequence[bytes]) -> Any:
    """Replace each placeholder in ``value`` by the attachment it names."""
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
            if type(number) is float and number.is_integer():  # JavaScript has one type of numbers
                number = int(number)
            if type(number) is not int or not 0 <= number < len(attachments):
                raise Malformed(codes.BAD_PACKET, "a placeholder names no attachment")
            return attachments[number]
        return {key: _replace_placeholders(item, attachments) for key, item in value.items()}
    return value


# Dumping ----------------------------------------------------------------------------------------


def dump_packet(packet: SioPacket, *, ascii_only: bool = False) -> list[str | bytes]:
    """Dump a packet as Engine.IO messages: its text, then the attachments that stood in ``data``.

    With ``ascii_only`` the JSON is ASCII, and all other characters are escaped.

    Raises:
        ValueError: ``data`` has a number that JSON can't write.
        TypeError: ``data`` has an object that is no JSON data.
    """
    attachments: list[str | bytes] = []
    packet_type, data, count = packet.type, packet.data, ""
    if packet_type in (Type.EVENT, Type.ACK) and _has_binary(data):
        data = _take_attachments(data, attachments)
        packet_type = Type.BINARY_EVENT if packet_type == Type.EVENT else Type.BINARY_ACK
        count = f"{len(attachments)}-"
    namespace = "" if packet.namespace == "/" else packet.namespace + ","
    ack = "" if packet.id is None else str(packet.id)
    body = "" if data is None else (dump_ascii_json if ascii_only else dump_json)(data)
    return [f"4{packet_type.value}{count}{namespace}{ack}{body}", *attachments]


def dump_msgpack(packet: SioPacket) -> bytes:
    """Dump a packet as the one binary message of the MessagePack parser.

    An integer beyond 64 bits, which MessagePack has no form for, becomes the nearest double: that is what
    JavaScript reads of it in JSON.
    """
    fields: dict[str, Any] = {"type": packet.type.value, "nsp": packet.namespace}
    if packet.data is not None:
        fields["data"] = packet.data
    if packet.id is not None:
        fields["id"] = packet.id
    try:
        dumped: bytes = msgpack.packb(fields, unicode_errors="replace")
    except OverflowError:
        dumped = msgpack.packb(_with_doubles(fields), unicode_errors="replace")
    return dumped


def _with_doubles(value: Any) -> Any:
    """Return a copy of ``value`` in which integers beyond 64 bits are doubles."""
    if isinstance(value, (list, tuple)):
        return [_with_doubles(item) for item in value]
    if isinstance(value, dict):
        return {_with_doubles(key): _with_doubles(item) for key, item in value.items()}
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value


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
