"""Socket.IO parsers of the client side, strict and independent of Hornet's own.

Both turn a :class:`SioPacket` into the contents of Engine.IO messages and back. The default parser
serves Socket.IO 5 and 4 alike; the other writes one MessagePack map per packet.
"""

import json
import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

import msgpack  # type: ignore[import-untyped]  # ships no types

from tests.conformance.payloads import Packet


class Type(IntEnum):
    """Socket.IO packet types, named as in protocol 5."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


@dataclass
class SioPacket:
    """One Socket.IO packet; ``data`` holds binary in its place, whatever the parser."""

    type: Type
    namespace: str = "/"
    id: int | None = None
    data: Any = None


class Parser(Protocol):
    """A client's parser: it may need several messages for one packet."""

    def encode(self, packet: SioPacket) -> list[Packet]:
        """Write the Engine.IO packets that carry ``packet``."""

    def feed(self, message: Packet) -> SioPacket | None:
        """Read one Engine.IO message packet; None while attachments are due.

        Raises:
            ValueError: the server wrote something that this parser must not see.
        """


_HEAD = re.compile(r"4(?P<type>[0-6])(?:(?<=[56])(?P<attachments>\d+)-)?(?P<namespace>/[^,]*)?,?(?P<id>\d+)?")
_PLAIN_TYPE = {Type.BINARY_EVENT: Type.EVENT, Type.BINARY_ACK: Type.ACK}
_BINARY_TYPE = {Type.EVENT: Type.BINARY_EVENT, Type.ACK: Type.BINARY_ACK}


@dataclass
class DefaultParser:
    """The text parser, with binary as attachments that follow."""

    _head: SioPacket | None = None
    _due: int = 0
    _attachments: list[bytes] = field(default_factory=list)

    def encode(self, packet: SioPacket) -> list[Packet]:
        attachments: list[bytes] = []
        data = _extract(packet.data, attachments)
        kind = _BINARY_TYPE[packet.type] if attachments else packet.type
        text = f"4{kind:d}"
        text += f"{len(attachments)}-" if attachments else ""
        text += f"{packet.namespace}," if packet.namespace != "/" else ""
        text += str(packet.id) if packet.id is not None else ""
        text += json.dumps(data, ensure_ascii=False) if data is not None else ""
        return [text, *attachments]

    def feed(self, message: Packet) -> SioPacket | None:
        if isinstance(message, bytes):
            return self._attach(message)
        if self._due:
            raise ValueError(f"{message!r} where an attachment is due")
        head = _HEAD.match(message)
        if head is None:
            raise ValueError(f"not a Socket.IO packet: {message!r}")
        kind = Type(int(head["type"]))
        body = message[head.end() :]
        packet = SioPacket(
            type=_PLAIN_TYPE.get(kind, kind),
            namespace=head["namespace"] or "/",
            id=int(head["id"]) if head["id"] else None,
            data=json.loads(body, parse_constant=_refuse) if body else None,
        )
        if kind not in _PLAIN_TYPE:
            return packet
        self._head, self._due, self._attachments = packet, int(head["attachments"]), []
        return None

    def _attach(self, data: bytes) -> SioPacket | None:
        if self._head is None or not self._due:
            raise ValueError(f"an attachment that was not due: {data!r}")
        self._attachments.append(data)
        self._due -= 1
        if self._due:
            return None
        packet, self._head = self._head, None
        packet.data = _insert(packet.data, self._attachments)
        return packet


class MsgpackParser:
    """One binary message per packet: the map ``{type, data, nsp, id?}``."""

    def encode(self, packet: SioPacket) -> list[Packet]:
        body: dict[str, Any] = {"type": int(packet.type), "nsp": packet.namespace}
        if packet.data is not None:
            body["data"] = packet.data
        if packet.id is not None:
            body["id"] = packet.id
        return [msgpack.packb(body)]

    def feed(self, message: Packet) -> SioPacket | None:
        if isinstance(message, str):
            raise ValueError(f"text for a msgpack client: {message!r}")
        body = _defined(msgpack.unpackb(message))
        if not isinstance(body, dict) or not body.keys() <= {"type", "nsp", "data", "id"}:
            raise ValueError(f"not a msgpack packet: {body!r}")
        kind = Type(body["type"])
        if kind in _PLAIN_TYPE:
            raise ValueError("the msgpack parser has no binary types")
        return SioPacket(kind, body["nsp"], body.get("id"), body.get("data"))


_UNDEFINED = msgpack.ExtType(0, b"\x00")
"""How the Node parser writes ``undefined``."""


def _defined(data: Any) -> Any:
    """Leave out the fields that hold ``undefined``, as JSON does."""
    if isinstance(data, dict):
        return {key: _defined(value) for key, value in data.items() if value != _UNDEFINED}
    return [_defined(item) for item in data] if isinstance(data, list) else data


def _extract(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, bytes):
        attachments.append(data)
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, list):
        return [_extract(item, attachments) for item in data]
    if isinstance(data, dict):
        return {key: _extract(value, attachments) for key, value in data.items()}
    return data


def _insert(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, list):
        return [_insert(item, attachments) for item in data]
    if isinstance(data, dict):
        if data.get("_placeholder"):
            return attachments[data["num"]]
        return {key: _insert(value, attachments) for key, value in data.items()}
    return data


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
