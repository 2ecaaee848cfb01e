"""Socket.IO packets: what is written is read back, and only Malformed comes out of anything else."""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.core.messages import RESERVED_EVENTS
from hornet.engine.errors import Malformed
from hornet.engine.wire.msgpack_packets import dump_msgpack, parse_msgpack, parse_msgpack_text
from hornet.engine.wire.packets import SioPacket, Type, dump_packet, parse_packet

plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    plain_text,
)
values = st.recursive(
    st.one_of(leaves, st.binary(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(plain_text.filter(lambda k: k != "_placeholder"), inner, max_size=3),
    ),
    max_leaves=8,
)
events = st.builds(
    lambda name, args: [name, *args],
    plain_text.filter(lambda n: n not in RESERVED_EVENTS),
    st.lists(values, max_size=3),
)
acks = st.one_of(st.none(), st.integers(0, 2**53))


@given(events, st.sampled_from(["/", "/admin"]), acks, st.booleans())
def test_an_event_reads_back(data: list[Any], namespace: str, ack: int | None, ascii_only: bool) -> None:
    text, *attachments = dump_packet(SioPacket(Type.EVENT, data, namespace, ack), ascii_only=ascii_only)
    assert isinstance(text, str)
    assert text.isascii() or not ascii_only
    packet = parse_packet(text[1:])
    for attachment in attachments:
        assert isinstance(attachment, bytes)
        packet.attach(attachment)
    assert (packet.data, packet.namespace, packet.id) == (data, namespace, ack)


@given(events, acks)
def test_an_event_reads_back_from_msgpack(data: list[Any], ack: int | None) -> None:
    packet = parse_msgpack(dump_msgpack(SioPacket(Type.EVENT, data, "/", ack)))
    assert (packet.data, packet.id) == (data, ack)


def test_undefined_of_the_javascript_encoder_is_nothing() -> None:
    packed = msgpack.packb({"type": 0, "nsp": "/admin", "data": msgpack.ExtType(0, b"\x00")})
    assert parse_msgpack(packed).data is None


@pytest.mark.parametrize(("text", "name"), [("2[7]", "7"), ("2[1.5,2]", "1.5")])
def test_an_event_named_by_a_number_has_the_name_of_its_text(text: str, name: str) -> None:
    """socket.io-parser takes numbers, and JavaScript looks handlers up by text."""
    assert parse_packet(text).data[0] == name


def test_attachments_that_nothing_refers_to_are_taken_and_a_number_may_be_written_as_a_fraction() -> None:
    packet = parse_packet('52-["a",{"_placeholder":true,"num":0.0}]')
    assert not packet.attach(b"x")
    assert packet.attach(b"y")
    assert packet.data == ["a", b"x"]


@pytest.mark.parametrize("packet_type", [Type.EVENT, Type.ACK])
@pytest.mark.parametrize(
    ("number", "read"),
    [
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (2**64, 2.0**64),
        (-(2**63) - 1, -(2.0**63)),
        (10**30, 1e30),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
    ids=["uint64", "int64", "2^64", "-2^63-1", "10^30", "10^400", "-10^400"],
)
def test_an_integer_beyond_64_bits_is_the_nearest_double_in_msgpack(
    packet_type: Type, number: int, read: float
) -> None:
    data = ["x", number, {"deep": [number, "text", b"bytes"], "other": True}]
    [_, plain, nested] = parse_msgpack(dump_msgpack(SioPacket(packet_type, data, "/", 1))).data
    assert plain == read
    assert type(plain) is type(read)
    assert nested == {"deep": [read, "text", b"bytes"], "other": True}


def test_the_msgpack_parser_of_2_x_writes_what_holds_no_event_as_json() -> None:
    joining = parse_msgpack_text('{"type":0,"query":"parser=msgpack","nsp":"/admin?parser=msgpack"}')
    assert (joining.type, joining.namespace, joining.query) == (Type.CONNECT, "/admin", "parser=msgpack")
    assert parse_msgpack_text('{"type":1,"nsp":"/"}').type is Type.DISCONNECT


@pytest.mark.parametrize(("said", "meant"), [(5, Type.EVENT), (6, Type.ACK)])
def test_the_msgpack_parser_of_2_x_says_binary_and_has_the_bytes_inside(said: int, meant: Type) -> None:
    packed = msgpack.packb({"type": said, "nsp": "/", "id": 1, "data": ["a", b"\x00"]})
    packet = parse_msgpack(packed, 3)
    assert (packet.type, packet.data) == (meant, ["a", b"\x00"])
    with pytest.raises(Malformed):
        parse_msgpack(packed, 4)


@pytest.mark.parametrize("text", ['{"type":2,"nsp":"/","data":["a"]}', '{"type":1,"nsp":7}', "[]", "{", "0"])
def test_any_other_text_of_that_parser_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_msgpack_text(text)


def test_the_query_of_a_namespace_is_no_part_of_its_name() -> None:
    packet = parse_packet("0/admin?token=x,")
    assert (packet.namespace, packet.query) == ("/admin", "token=x")


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"a":' * 100_000])
def test_nesting_beyond_the_stack_is_malformed(deep: str) -> None:
    with pytest.raises(Malformed):
        parse_packet('2["a",' + deep)


@pytest.mark.parametrize(
    "parse",
    [parse_packet, parse_msgpack_text, lambda text: parse_msgpack(text.encode(errors="replace"))],
)
@given(
    text=st.one_of(
        st.text(max_size=30), st.from_regex(r'[0-6][0-9-]{0,3}(/[a-z]*,)?[0-9]{0,2}[\[\]{}"a,:]{0,9}')
    )
)
def test_only_malformed_comes_out_of_any_text(parse: Callable[[str], object], text: str) -> None:
    with suppress(Malformed):
        parse(text)


@pytest.mark.parametrize("protocol", [3, 4])
@given(data=st.one_of(st.binary(max_size=40), values.map(lambda v: msgpack.packb(v))))
def test_only_malformed_comes_out_of_any_binary(protocol: int, data: bytes) -> None:
    with suppress(Malformed):
        parse_msgpack(data, protocol)
