"""A message in every form its recipients need; each form is made at most once, and only if someone needs it.

A session's *wire format* is a small number that says which form it takes. ``Prepared`` is one message,
``FrameBatch`` is a run of messages for the same recipients: what goes to a WebSocket in one write.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hornet.core.jsontext import dump_ascii_json, dump_json
from hornet.core.messages import Outgoing
from hornet.engine.wire.compression import deflate
from hornet.engine.wire.frames import BINARY, TEXT, frame
from hornet.engine.wire.packets import SioPacket, Type, dump_msgpack, dump_packet
from hornet.engine.wire.payloads import Packet, dump_binary_packet3

log = logging.getLogger(__name__)

BY_EVENT = 1
"""The session wants messages as events named by their type (``Delivery.EVENT``)."""
MSGPACK = 2
"""The session's client uses the MessagePack parser."""
VERSION_3 = 4
"""The session speaks Engine.IO 3."""
DEFLATED = 8
"""The session's WebSocket takes compressed frames."""
TEXT_ONLY = 16
"""The session's client can't take binary (version 3's ``b64``); it gets base64 in text."""
WIRE_FORMATS = 32

DEFLATE_FROM_BYTES = 1024
"""Shorter messages are sent as they are; compressing them hardly pays (the Node server's threshold)."""


def dump_frame(packet: Packet, wire_format: int) -> bytes:
    """The WebSocket frame of one Engine.IO packet."""
    if isinstance(packet, str):
        opcode, payload = TEXT, packet.encode("utf-8")
    elif wire_format & TEXT_ONLY:
        opcode, payload = TEXT, dump_binary_packet3(packet).encode("ascii")
    else:
        opcode, payload = BINARY, (b"\x04" + packet if wire_format & VERSION_3 else packet)
    if wire_format & DEFLATED and len(payload) >= DEFLATE_FROM_BYTES:
        return frame(opcode, deflate(payload), compressed=True)
    return frame(opcode, payload)


def _is_unicode(packet: Packet) -> bool:
    """False for text with half of a surrogate pair, which JSON may hold and UTF-8 may not."""
    if isinstance(packet, str) and not packet.isascii():
        try:
            packet.encode("utf-8")
        except UnicodeEncodeError:
            return False
    return True


class Prepared:
    """One message. A subclass says what it is in ``packet``."""

    __slots__ = ("_frames", "_packets")

    def __init__(self) -> None:
        self._frames: list[bytes | None] = [None] * WIRE_FORMATS
        self._packets: list[list[Packet] | None] = [None] * WIRE_FORMATS

    def packet(self, wire_format: int) -> SioPacket:
        """The Socket.IO packet for this kind of session."""
        raise NotImplementedError

    def packets(self, wire_format: int) -> list[Packet]:
        """The Engine.IO packets for a polling session of this kind.

        socket.io-client 1.x reads UTF-8 in a polling response as Latin-1, so version 3 gets ASCII.
        """
        wire_format &= ~DEFLATED
        packets = self._packets[wire_format]
        if packets is None:
            packets = self._packets[wire_format] = self._dump(
                wire_format, ascii_only=bool(wire_format & VERSION_3)
            )
        return packets

    def frames(self, wire_format: int) -> bytes:
        """The WebSocket frames for a session of this kind, joined."""
        frames = self._frames[wire_format]
        if frames is None:
            frames = self._frames[wire_format] = self._dump_frames(wire_format)
        return frames

    def check(self, wire_format: int) -> None:
        """Encode the message for this kind.

        Raises:
            ValueError, TypeError: it can't be.
        """
        self.frames(wire_format)

    def drop(self, wire_format: int) -> None:
        """Let the message be nothing for this kind, which it can't be encoded for."""
        self._frames[wire_format], self._packets[wire_format & ~DEFLATED] = b"", []

    def _dump_frames(self, wire_format: int) -> bytes:
        if wire_format & VERSION_3 and not wire_format & MSGPACK:
            # Text is the same in both versions: share the frame if there is no binary in it.
            packets = self._dump(wire_format, ascii_only=False)
            if len(packets) == 1:
                return self.frames(wire_format & ~VERSION_3)
        elif wire_format & DEFLATED or self._packets[wire_format] is None:
            packets = self._dump(wire_format, ascii_only=False)
        else:
            packets = self.packets(wire_format)
        return b"".join([dump_frame(packet, wire_format) for packet in packets])

    def _dump(self, wire_format: int, *, ascii_only: bool) -> list[Packet]:
        packet = self.packet(wire_format)
        if wire_format & MSGPACK:
            return [dump_msgpack(packet)]
        packets = dump_packet(packet, ascii_only=ascii_only)
        if not ascii_only and not _is_unicode(packets[0]):
            packets = dump_packet(packet, ascii_only=True)
        return packets


class PreparedPacket(Prepared):
    """A packet that is the same for every delivery: an event sent by name, an acknowledgement, an answer."""

    __slots__ = ("_packet",)

    def __init__(self, packet: SioPacket) -> None:
        super().__init__()
        self._packet = packet

    def packet(self, wire_format: int) -> SioPacket:
        return self._packet


class PreparedMessage(Prepared):
    """A message of a channel, which takes another form for sessions that want it by event."""

    __slots__ = ("_message", "_packets_by_delivery")

    def __init__(self, message: Outgoing) -> None:
        super().__init__()
        self._message = message
        self._packets_by_delivery: list[SioPacket | None] = [None, None]

    def packet(self, wire_format: int) -> SioPacket:
        packet = self._packets_by_delivery[wire_format & BY_EVENT]
        if packet is None:
            data = (
                list(self._message.event())
                if wire_format & BY_EVENT
                else ["message", self._message.message_text()]
            )
            packet = self._packets_by_delivery[wire_format & BY_EVENT] = SioPacket(Type.EVENT, data)
        return packet

    def _dump(self, wire_format: int, *, ascii_only: bool) -> list[Packet]:
        """The classic form, which most sessions take, is written by hand: it costs a third."""
        if wire_format & (MSGPACK | BY_EVENT):
            return super()._dump(wire_format, ascii_only=ascii_only)
        text = self.packet(wire_format).data[1]
        escaped = dump_ascii_json(text) if ascii_only or not _is_unicode(text) else dump_json(text)
        return [f'42["message",{escaped}]']


class FrameBatch:
    """Messages that go to the same sessions in one write, in order."""

    __slots__ = ("frames", "messages")

    def __init__(self, messages: Sequence[Prepared]) -> None:
        self.messages = messages
        self.frames: list[bytes | None] = [None] * WIRE_FORMATS
        """The joined frames for each kind, once ``make_frames`` made them."""

    def make_frames(self, wire_format: int) -> bytes:
        """The joined frames, which are kept in ``frames``."""
        frames = b"".join([message.frames(wire_format) for message in self._sound(wire_format)])
        self.frames[wire_format] = frames
        return frames

    def packets(self, wire_format: int) -> list[Packet]:
        """The packets for a session that polls."""
        return [packet for message in self._sound(wire_format) for packet in message.packets(wire_format)]

    def _sound(self, wire_format: int) -> list[Prepared]:
        """The messages that can be encoded for this kind; another would take the whole fan-out with it."""
        sound = []
        for message in self.messages:
            try:
                message.frames(wire_format)
            except (ValueError, TypeError, OverflowError, RecursionError):
                log.exception("A message can't be encoded and is dropped")
                message.drop(wire_format)
            else:
                sound.append(message)
        return sound
