"""A message of a client, parsed by the parser that the client has, and within the limits of one message."""

from __future__ import annotations

from hornet.core import codes
from hornet.core.jsontext import check_depth
from hornet.engine.errors import Malformed
from hornet.engine.settings import EngineSettings
from hornet.engine.wire.msgpack_packets import parse_msgpack, parse_msgpack_text
from hornet.engine.wire.packets import SioPacket, check_containers, parse_packet
from hornet.engine.wire.payloads import Packet

NEWCOMERS_PART = 10
"""Until its client has shown a valid credential, a message may have the tenth part of ``max_containers``."""


def parse_message(
    message: Packet, settings: EngineSettings, *, protocol: int, is_msgpack: bool, is_newcomer: bool
) -> SioPacket:
    """Return the packet in a message, whose attachments may still be to come.

    Raises:
        Malformed: the message is no packet, not one of the client's parser, or beyond a limit.
    """
    max_containers = settings.max_containers
    if is_newcomer:
        max_containers //= NEWCOMERS_PART
    if isinstance(message, bytes):
        if not is_msgpack:
            raise Malformed(codes.BAD_PACKET, "an attachment without a packet")
        packet = parse_msgpack(message, protocol, max_containers)
    else:
        if len(message) > max_containers:
            check_containers(message, max_containers)
        if not is_msgpack:
            packet = parse_packet(message)
        elif protocol == 4:
            raise Malformed(codes.BAD_PACKET, "text from a client with the MessagePack parser")
        else:
            packet = parse_msgpack_text(message)
    packet.size = len(message)
    if len(message) > settings.max_json_depth:
        _check_depth(packet, message, settings.max_json_depth)
    if packet.waits_for > settings.max_attachments:
        raise Malformed(codes.TOO_MANY_ATTACHMENTS, "an event has too many attachments", 1009)
    return packet


def _check_depth(packet: SioPacket, message: Packet, max_depth: int) -> None:
    """Check that lists and objects are not nested too deeply.

    Raises:
        Malformed: they are nested deeper than ``max_depth``.
    """
    # Most texts have too few brackets for that, so that their data need not be walked.
    if isinstance(message, str) and message.count("[") + message.count("{") <= max_depth:
        return
    try:
        check_depth(packet.data, max_depth)
    except ValueError:
        raise Malformed(codes.TOO_DEEP, "the data is nested too deeply", 1009) from None
