"""Any bytes and texts of a client yield a value, or ``Malformed``, in bounded time."""

import json
from urllib.parse import parse_qs

import msgpack  # type: ignore[import-untyped]  # ships no types
from hypothesis import given
from hypothesis import strategies as st

from hornet.engine.errors import Malformed, Refusal
from hornet.engine.transport.endpoint import _parse_plain_query
from hornet.engine.transport.handshake import is_whole, parse_request
from hornet.engine.transport.polling import parse_body
from hornet.engine.transport.websocket_handshake import check_websocket_request
from hornet.engine.wire import compression
from hornet.engine.wire.frames import FrameParser
from hornet.engine.wire.msgpack_packets import parse_msgpack, parse_msgpack_text
from hornet.engine.wire.packets import SioPacket, dump_packet, parse_packet
from hornet.engine.wire.payloads import (
    SEPARATOR,
    Packet,
    dump_binary3,
    dump_payload4,
    dump_text3,
    parse_binary3,
    parse_binary_packet3,
    parse_jsonp,
    parse_payload4,
    parse_text3,
    parse_text_packet3,
)
from tests.fuzz.test_parsers import JSON

MAX_BYTES = 1000
TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('0123456789-/,[]{}":bd=\\n' + SEPARATOR))
BODIES = st.binary(max_size=200) | TEXT.map(lambda text: text.encode())
PACKETS = st.lists(TEXT.filter(bool) | st.binary(max_size=20), min_size=1, max_size=5)
HEADS = st.from_regex(r"[0-9](?:[0-9]{1,12}-)?(?:/[a-z?=]{0,5},)?(?:[0-9]{1,25})?", fullmatch=True)


@given(
    st.sampled_from([3, 4]),
    BODIES,
    st.sampled_from(["text/plain", "application/octet-stream"]),
    st.booleans(),
)
def test_a_body_is_packets_or_malformed(protocol: int, body: bytes, content_type: str, jsonp: bool) -> None:
    try:
        packets = parse_body(protocol, body, content_type, jsonp=jsonp)
    except Malformed:
        return
    assert packets
    assert sum(map(len, packets)) <= len(body) + len(packets)


@given(st.text("ab=&;é \n", max_size=30))
def test_a_plain_query_string_means_what_the_standard_library_reads(text: str) -> None:
    assert _parse_plain_query(text) == parse_qs(text, keep_blank_values=True)


@given(PACKETS)
def test_what_is_dumped_for_version_4_is_parsed_again(packets: list[Packet]) -> None:
    packets = [p for p in packets if isinstance(p, bytes) or (SEPARATOR not in p and p[0] != "b")] or ["6"]
    assert parse_payload4(dump_payload4(packets)) == packets


@given(PACKETS)
def test_what_is_dumped_for_version_3_is_parsed_again(packets: list[Packet]) -> None:
    packets = [p for p in packets if isinstance(p, bytes) or (p.isascii() and p[0] != "b")] or ["6"]
    assert parse_binary3(dump_binary3(packets)) == packets
    assert parse_text3(dump_text3(packets).encode()) == packets


@given(BODIES)
def test_a_form_and_single_packets_of_version_3_never_fail_otherwise(body: bytes) -> None:
    for parse in (parse_jsonp, parse_binary_packet3):
        try:
            parse(body)
        except Malformed:
            continue
    try:
        parse_text_packet3(body.decode("utf-8", "replace"))
    except Malformed:
        return


@given((HEADS | TEXT), JSON.map(json.dumps) | TEXT)
def test_a_text_is_a_packet_or_malformed(head: str, rest: str) -> None:
    try:
        packet = parse_packet(head + rest)
    except Malformed:
        return
    assert isinstance(packet, SioPacket)
    if not packet.waits_for:
        dump_packet(packet)


@given(
    st.lists(
        JSON | st.builds(lambda n: {"_placeholder": True, "num": n}, JSON | st.integers(-2, 4)), max_size=4
    )
)
def test_placeholders_are_filled_or_malformed(data: list[object]) -> None:
    text = json.dumps(["event", *data])
    count = text.count('"_placeholder"')
    try:
        packet = parse_packet(f"45{count}-{text}")
        for _ in range(count):
            if packet.attach(b"x"):
                break
    except Malformed:
        return


@given(st.sampled_from([3, 4]), st.binary(max_size=100) | JSON.map(lambda value: _packed(value)))
def test_bytes_are_a_msgpack_packet_or_malformed(protocol: int, data: bytes) -> None:
    try:
        assert isinstance(parse_msgpack(data, protocol), SioPacket)
    except Malformed:
        return


@given(TEXT | JSON.map(json.dumps))
def test_a_text_of_the_msgpack_parser_is_a_packet_or_malformed(text: str) -> None:
    try:
        assert isinstance(parse_msgpack_text(text), SioPacket)
    except Malformed:
        return


FIELDS = st.fixed_dictionaries(
    {}, optional={name: JSON | st.integers(-1, 7) for name in ("type", "nsp", "id", "data")}
)


@given(st.sampled_from([3, 4]), FIELDS)
def test_fields_are_a_msgpack_packet_or_malformed(protocol: int, fields: dict[str, object]) -> None:
    try:
        assert isinstance(parse_msgpack(_packed(fields), protocol), SioPacket)
    except Malformed:
        return


def _packed(value: object) -> bytes:
    """In MessagePack, or as good as that goes: it has no number beyond 64 bits."""
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="replace")
    except (OverflowError, ValueError):
        return b"\xc1"
    return packed


FRAMES = st.builds(
    lambda first, size, mask, payload: bytes((first, 0x80 | size)) + mask + payload,
    st.integers(0, 255),
    st.integers(0, 127),
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=130),
)


@given(st.lists(FRAMES | st.binary(max_size=40), max_size=6), st.booleans(), st.integers(1, 50))
def test_a_stream_is_messages_or_malformed_however_it_is_cut(
    pieces: list[bytes], deflated: bool, cut: int
) -> None:
    stream = b"".join(pieces)
    outcomes = []
    for size in (cut, len(stream) or 1):
        parser = FrameParser(MAX_BYTES, compression.inflate if deflated else None)
        found: list[tuple[int, object]] = []
        try:
            for at in range(0, len(stream), size):
                for opcode, payload in parser.feed(stream[at : at + size]):
                    assert len(payload) <= MAX_BYTES
                    found.append((opcode, payload))
        except Malformed as fault:
            found.append((-1, fault.code))
        outcomes.append(found)
    pieces_of_it, whole = outcomes
    # What came in one read with a fault is given up with it; the connection ends either way.
    assert pieces_of_it == whole or (whole and whole[-1][0] == -1 and pieces_of_it[-1] == whole[-1])


@given(st.binary(max_size=300) | st.text("GET /socket.io?EIO=4&:\r\n HTP1", max_size=100).map(str.encode))
def test_the_first_bytes_of_a_connection_never_fail(data: bytes) -> None:
    is_whole(data)
    parse_request(data)


@given(st.dictionaries(
    st.sampled_from(["upgrade", "connection", "sec-websocket-key", "sec-websocket-version"]),
    st.text(max_size=30) | st.sampled_from(["websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=="]),
))  # fmt: skip
def test_headers_open_a_websocket_or_are_refused(headers: dict[str, str]) -> None:
    try:
        assert len(check_websocket_request(headers)) == 24
    except Refusal:
        return


@given(st.text(max_size=80) | st.text('permessage-deflate;=,_ clientsrvmaxwdobt0123456789"', max_size=80))
def test_offers_to_compress_never_fail(offers: str) -> None:
    compression.negotiate(offers)


@given(st.binary(max_size=200))
def test_compressed_bytes_are_bounded_or_malformed(data: bytes) -> None:
    for payload in (data, compression.deflate(data)):
        try:
            assert len(compression.inflate(payload, 150)) <= 150
        except Malformed:
            continue
