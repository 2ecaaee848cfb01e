"""Socket.IO packets in MessagePack: the other parser that clients may have, of protocol 5 and 4.

Source: socket.io-msgpack-parser (https://github.com/socketio/socket.io-msgpack-parser). A packet is a map,
which is checked as one of the default parser. Nothing but ``Malformed`` is raised for what a client sent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships no types

from hornet.core import codes
from hornet.core.jsontext import parse_json
from hornet.engine.errors import Malformed
from hornet.engine.wire.packets import SioPacket, Type, check_packet, too_many_containers

MAX_CONTAINERS = 10_000
"""How many lists and objects a message may have, unless the caller says otherwise."""

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
            raise too_many_containers()
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
