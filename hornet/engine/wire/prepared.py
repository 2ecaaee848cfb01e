"""Messages encoded once for all recipients: each wire format at most once, and only if a session needs it.

``Prepared`` is one message. ``FrameBatch`` is several messages for the same recipients, which go to a
WebSocket in one write.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.history import OTHER_POSITION, POSITION, with_position
from hornet.core.jsontext import dump_ascii_json, dump_json, parse_json
from hornet.core.messages import Message, Outgoing
from hornet.engine.wire.compression import deflate
from hornet.engine.wire.frames import BINARY, TEXT, frame
from hornet.engine.wire.msgpack_packets import dump_msgpack
from hornet.engine.wire.packets import SioPacket, Type, dump_packet
from hornet.engine.wire.payloads import Packet, dump_binary_packet3, dump_binary_packet4

log = logging.getLogger(__name__)

WireFormat = int
"""Which form of a message a session gets: a sum of the bits below.

A plain number, since it is tested for each packet and is a key for each write: ``&`` with an ``IntFlag``
takes 1.2 µs on Python 3.11, with an ``int`` 0.03 µs.
"""

BY_EVENT = 1
"""The session wants messages as events named by their type (``Delivery.EVENT``)."""
MSGPACK = 2
"""The session's client uses the MessagePack parser."""
VERSION_3 = 4
"""The session speaks Engine.IO 3."""
DEFLATED = 8
"""The session's WebSocket takes compressed frames (RFC 7692, https://www.rfc-editor.org/rfc/rfc7692)."""
TEXT_ONLY = 16
"""The session's client can't take binary (``b64`` in its query); it gets base64 in text."""
RECOVERABLE = 32
"""The session's client recovers: each event that asks for no ACK has one more argument at its end, the offset
(https://socket.io/docs/v4/connection-state-recovery)."""
POSITIONS = 64
"""The session's messages have the offset in their last field, ``position``, or ``hornet:position`` where the
backend has published a field ``position``. A message of type ``position`` follows any other event that asks
for no ACK."""

OFFSETS = RECOVERABLE | POSITIONS
"""The formats that an offset makes a difference to."""

LONG_BYTES = 65_536
"""Frames of this length or more that a socket did not take at once need room in its send buffer."""

DEFLATE_FROM_BYTES = 1024
"""Shorter messages are sent as they are: compressing them hardly pays (the Node server's threshold)."""


def dump_frame(packet: Packet, wire_format: WireFormat) -> bytes:
    """Return the WebSocket frame of one Engine.IO packet.

    In Engine.IO 4 a binary message has no type; in version 3 its first byte is the type (Engine.IO protocol,
    https://github.com/socketio/engine.io-protocol, "Packet encoding" of either version). Base64 in
    text has the form of a polling response.
    """
    if isinstance(packet, str):
        opcode, payload = TEXT, packet.encode("utf-8")
    elif wire_format & TEXT_ONLY:
        dump_binary = dump_binary_packet3 if wire_format & VERSION_3 else dump_binary_packet4
        opcode, payload = TEXT, dump_binary(packet).encode("ascii")
    else:
        opcode, payload = BINARY, (b"\x04" + packet if wire_format & VERSION_3 else packet)
    if wire_format & DEFLATED and len(payload) >= DEFLATE_FROM_BYTES:
        return frame(opcode, deflate(payload), compressed=True)
    return frame(opcode, payload)


def _is_unicode(packet: Packet) -> bool:
    """Return False for text with half of a surrogate pair, which JSON may hold and UTF-8 may not."""
    if isinstance(packet, str) and not packet.isascii():
        try:
            packet.encode("utf-8")
        except UnicodeEncodeError:
            return False
    return True


class Prepared(ABC):
    """One message, in each wire format that was asked for. A subclass gives its Socket.IO packet.

    ``offset`` is how far the node had heard when the message was made. It consists of characters that JSON
    needs no escapes for. Where it is empty, a ``RECOVERABLE`` session gets an empty text, because its client
    takes any text at the end of an event as the offset, even the event's name.
    """

    __slots__ = ("_frames", "_packets", "offset")

    def __init__(self, offset: str = "") -> None:
        self.offset = offset
        self._frames: dict[WireFormat, bytes] = {}
        self._packets: dict[WireFormat, list[Packet]] = {}

    @abstractmethod
    def packet(self, wire_format: WireFormat) -> SioPacket:
        """Return the Socket.IO packet for sessions of this format.

        The offset that ends an event for ``RECOVERABLE`` sessions is added to its bytes later.
        """

    @abstractmethod
    def offset_forms(self) -> WireFormat:
        """Return the formats of ``OFFSETS`` that differ for this message; others share the bytes."""

    def packets(self, wire_format: WireFormat) -> list[Packet]:
        """Return the Engine.IO packets for a polling session of this format.

        socket.io-client 1.x reads UTF-8 in a polling response as Latin-1, so version 3 gets ASCII.
        """
        wire_format &= ~DEFLATED
        packets = self._packets.get(wire_format)
        if packets is None:
            shared = self._shared_form(wire_format)
            packets = self._packets[wire_format] = (
                self._encode(wire_format, ascii_only=bool(wire_format & VERSION_3))
                if shared == wire_format
                else self.packets(shared)
            )
        return packets

    def frames(self, wire_format: WireFormat) -> bytes:
        """Return the joined WebSocket frames for a session of this format."""
        frames = self._frames.get(wire_format)
        if frames is None:
            shared = self._shared_form(wire_format)
            frames = self._frames[wire_format] = (
                self._dump_frames(wire_format) if shared == wire_format else self.frames(shared)
            )
        return frames

    def check(self, wire_format: WireFormat) -> None:
        """Encode the message in this format now, so that a mistake shows where it was made.

        Raises:
            ValueError, TypeError: the message can't be encoded in this format.
        """
        self.frames(wire_format)

    def mark_unencodable(self, wire_format: WireFormat) -> None:
        """Send nothing to sessions of this format, which the message can't be encoded in."""
        self._frames[wire_format], self._packets[wire_format & ~DEFLATED] = b"", []

    def _shared_form(self, wire_format: WireFormat) -> WireFormat:
        return wire_format & (~OFFSETS | self.offset_forms()) if wire_format & OFFSETS else wire_format

    def _dump_frames(self, wire_format: WireFormat) -> bytes:
        if wire_format & VERSION_3 and not wire_format & MSGPACK:
            # Text is the same in both versions: share the frame if there is no binary in it.
            packets = self._encode(wire_format, ascii_only=False)
            if len(packets) == 1:
                return self.frames(wire_format & ~VERSION_3)
        elif wire_format & DEFLATED or wire_format not in self._packets:
            packets = self._encode(wire_format, ascii_only=False)
        else:
            packets = self.packets(wire_format)
        return b"".join([dump_frame(packet, wire_format) for packet in packets])

    def _encode(self, wire_format: WireFormat, *, ascii_only: bool) -> list[Packet]:
        """Dump the packet, with the offset as its last argument for ``RECOVERABLE``."""
        if not wire_format & RECOVERABLE:
            packets = self._dump(wire_format, ascii_only=ascii_only)
            return [*packets, *self._position_packets(wire_format)]
        if wire_format & MSGPACK:
            packet = self.packet(wire_format)
            packed = dump_msgpack(replace(packet, data=[*packet.data, self.offset]))
            return [packed, *self._position_packets(wire_format)]
        text, *attachments = self._dump(wire_format, ascii_only=ascii_only)
        assert isinstance(text, str)
        event = f'{text[:-1]},"{self.offset}"]'
        return [event, *attachments, *self._position_packets(wire_format)]

    def _position_packets(self, wire_format: WireFormat) -> list[Packet]:
        """Return what tells the position behind an event that has no field for it."""
        return []

    def _dump(self, wire_format: WireFormat, *, ascii_only: bool) -> list[Packet]:
        packet = self.packet(wire_format)
        if wire_format & MSGPACK:
            return [dump_msgpack(packet)]
        packets = dump_packet(packet, ascii_only=ascii_only)
        if not ascii_only and not _is_unicode(packets[0]):
            packets = dump_packet(packet, ascii_only=True)
        return packets


class PreparedPacket(Prepared):
    """A packet that is the same however a session wants its messages: an event sent by name, or an ACK."""

    __slots__ = ("_packet",)

    def __init__(self, packet: SioPacket, offset: str = "") -> None:
        super().__init__(offset)
        self._packet = packet

    def packet(self, wire_format: WireFormat) -> SioPacket:
        return self._packet

    def offset_forms(self) -> WireFormat:
        """Return ``RECOVERABLE`` for an event of the main namespace, unless the client's ACK is awaited.

        A client takes no offset from an event that asks for an ACK. The other namespaces don't recover.
        """
        packet = self._packet
        is_plain = packet.type is Type.EVENT and packet.id is None and packet.namespace == "/"
        return (OFFSETS if self.offset else RECOVERABLE) if is_plain else 0

    def _position_packets(self, wire_format: WireFormat) -> list[Packet]:
        if not wire_format & POSITIONS:
            return []
        position = Message(CONTROL_CHANNEL, {"type": POSITION, "channel": CONTROL_CHANNEL})
        return PreparedMessage(position, self.offset).packets(wire_format)


class SharedAnswer:
    """The answer to an event of many clients: JSON data that is encoded once for all of them.

    Each client numbers its events itself, so only the number in front differs.
    """

    __slots__ = ("_texts", "latest", "value")

    def __init__(self, value: object, *, latest: Callable[[], SharedAnswer] | None = None) -> None:
        self.value = value
        self.latest: Callable[[], SharedAnswer] = latest or (lambda: self)
        """Returns the answer to send instead, if this one was not sent as soon as it was given."""
        self._texts: list[str | None] = [None, None]

    def text(self, *, ascii_only: bool) -> str:
        """Return the JSON text of the answer's arguments."""
        text = self._texts[ascii_only]
        if text is None:
            text = self._texts[ascii_only] = (dump_ascii_json if ascii_only else dump_json)([self.value])
        return text


class SharedAcknowledgement(PreparedPacket):
    """The acknowledgement that brings a shared answer to one client."""

    __slots__ = ("_answer", "_number")

    def __init__(self, answer: SharedAnswer, number: int) -> None:
        super().__init__(SioPacket(Type.ACK, [answer.value], id=number))
        self._answer = answer
        self._number = number

    def _dump(self, wire_format: WireFormat, *, ascii_only: bool) -> list[Packet]:
        if wire_format & MSGPACK:
            return super()._dump(wire_format, ascii_only=ascii_only)
        text = self._answer.text(ascii_only=ascii_only)
        if not ascii_only and not _is_unicode(text):
            text = self._answer.text(ascii_only=True)
        return [f"43{self._number}{text}"]


class PreparedMessage(Prepared):
    """A message of a channel: ``Delivery.MESSAGE`` and ``Delivery.EVENT`` get it in different packets."""

    __slots__ = ("_latest", "_message", "_packets_by_delivery")

    def __init__(self, message: Outgoing, offset: str = "") -> None:
        super().__init__(offset)
        self._message = message
        self._packets_by_delivery: list[SioPacket | None] = [None, None]
        self._latest: PreparedMessage | None = None

    def at(self, offset: str) -> PreparedMessage:
        """Return the same message with this offset. The latest one is kept: many sessions may get it."""
        if offset == self.offset:
            return self
        if self._latest is None or self._latest.offset != offset:
            self._latest = PreparedMessage(self._message, offset)
        return self._latest

    def offset_forms(self) -> WireFormat:
        return OFFSETS if self.offset else RECOVERABLE

    def packet(self, wire_format: WireFormat) -> SioPacket:
        if wire_format & POSITIONS:
            return self._packet_with_position(wire_format)
        packet = self._packets_by_delivery[wire_format & BY_EVENT]
        if packet is None:
            data = (
                list(self._message.event())
                if wire_format & BY_EVENT
                else ["message", self._message.message_text()]
            )
            packet = self._packets_by_delivery[wire_format & BY_EVENT] = SioPacket(Type.EVENT, data)
        return packet

    def _packet_with_position(self, wire_format: WireFormat) -> SioPacket:
        if not wire_format & BY_EVENT:
            text = _add_position(self._message.message_text(), self.offset)
            return SioPacket(Type.EVENT, ["message", text])
        name, body = self._message.event()
        if isinstance(body, dict):
            body = with_position(body, self.offset)
        return SioPacket(Type.EVENT, [name, body])

    def _dump(self, wire_format: WireFormat, *, ascii_only: bool) -> list[Packet]:
        """Dump the packet; the format of most sessions is written by hand, at a third of the price."""
        if wire_format & (MSGPACK | BY_EVENT):
            return super()._dump(wire_format, ascii_only=ascii_only)
        text = self.packet(wire_format).data[1]
        escaped = dump_ascii_json(text) if ascii_only or not _is_unicode(text) else dump_json(text)
        return [f'42["message",{escaped}]']


def _add_position(text: str, position: str) -> str:
    """Return the text of a JSON object with the position as its last field; any other JSON as it is.

    A field ``position`` that the backend published stays, and the position gets its other name.
    """
    if not text.endswith("}"):
        return text
    is_taken = '"position"' in text and POSITION in parse_json(text)
    name = OTHER_POSITION if is_taken else POSITION
    fields = text[:-1]
    return f'{fields}{"" if fields.strip() == "{" else ","}"{name}":"{position}"}}'


class FrameBatch:
    """Messages that go to the same sessions in one write, in their order."""

    __slots__ = ("frames", "messages")

    def __init__(self, messages: Sequence[Prepared]) -> None:
        self.messages = messages
        self.frames: dict[WireFormat, bytes] = {}
        """The joined frames for each wire format, once ``make_frames`` has made them."""

    def make_frames(self, wire_format: WireFormat) -> bytes:
        """Join the frames of all messages, and keep them in ``frames``."""
        frames = b"".join([message.frames(wire_format) for message in self._encodable(wire_format)])
        self.frames[wire_format] = frames
        return frames

    def longest(self, wire_format: WireFormat) -> int:
        """Return how long the frames of the longest message are."""
        return max(len(message.frames(wire_format)) for message in self.messages)

    def packets(self, wire_format: WireFormat) -> list[Packet]:
        """Return the Engine.IO packets of all messages, for a polling session of this format."""
        return [packet for message in self._encodable(wire_format) for packet in message.packets(wire_format)]

    def _encodable(self, wire_format: WireFormat) -> list[Prepared]:
        """Drop the messages that can't be encoded in this format, so that they hold up no other."""
        encodable = []
        for message in self.messages:
            try:
                message.frames(wire_format)
            except (ValueError, TypeError, OverflowError, RecursionError):
                log.exception("A message can't be encoded and is dropped")
                message.mark_unencodable(wire_format)
            else:
                encodable.append(message)
        return encodable
