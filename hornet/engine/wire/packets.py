"""Socket.IO packets, and the default parser of protocol 5 and 4. For the other one see ``msgpack_packets``.

A client may send anything. So each packet is checked as strictly as in socket.io-parser, and a parser raises
nothing but ``Malformed``. Source: the Socket.IO protocol (https://github.com/socketio/socket.io-protocol),
"Packet encoding" and "Difference between v5 and v4".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

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
            raise too_many_containers()


_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A text of JSON (RFC 8259, https://www.rfc-editor.org/rfc/rfc8259#section-7), or all behind a quote that no
other follows: so each character is looked at once."""


def too_many_containers() -> Malformed:
    """Return the error for more lists and objects than a message may have."""
    return Malformed(codes.TOO_MANY_CONTAINERS, "too many lists and objects", 1009)


def _parse_data(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise Malformed(codes.BAD_JSON, "a packet's data is not JSON") from None


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
        ValueError: ``data`` has a number or an object that JSON can't write.
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
