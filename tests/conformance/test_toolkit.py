"""The suite's own codecs, against the examples of the protocol texts and what must be refused."""

from collections.abc import Callable

import pytest

from tests.conformance import payloads
from tests.conformance.parsers import DefaultParser, SioPacket, Type
from tests.conformance.payloads import Packet


@pytest.mark.parametrize(
    ("packets", "payload"),
    [
        (["4hello", "2", "4world"], "4hello\x1e2\x1e4world"),
        (["4hello", b"\x01\x02\x03\x04"], "4hello\x1ebAQIDBA=="),
    ],
)
def test_a_payload_of_version_4(packets: list[Packet], payload: str) -> None:
    assert payloads.encode_v4(packets) == payload
    assert payloads.decode_v4(payload) == packets


@pytest.mark.parametrize(
    ("packets", "payload"),
    [
        (["4hello", "2", "4€"], "6:4hello1:22:4€"),
        (["4🐝"], "3:4🐝"),
        ([b"\x01\x02\x03\x04"], "10:b4AQIDBA=="),
    ],
)
def test_a_text_payload_of_version_3(packets: list[Packet], payload: str) -> None:
    assert payloads.encode_v3_text(packets) == payload
    assert payloads.decode_v3_text(payload) == packets


def test_a_binary_payload_of_version_3() -> None:
    packets: list[Packet] = ["4€", b"\x01\x02\x03\x04", "4" + "x" * 11]
    payload = b"\x00\x04\xff4\xe2\x82\xac\x01\x05\xff\x04\x01\x02\x03\x04\x00\x01\x02\xff4" + b"x" * 11
    assert payloads.encode_v3_binary(packets) == payload
    assert payloads.decode_v3_binary(payload) == packets


def test_a_form_keeps_line_feeds_and_their_escapes_apart() -> None:
    assert payloads.encode_jsonp_form(["4a\nb"]) == "d=4%3A4a%5Cnb"
    assert payloads.encode_jsonp_form(["4a\\nb"]) == "d=5%3A4a%5C%5Cnb"


REFUSED: list[tuple[Callable[[str], object], str]] = [
    (payloads.decode_v4, ""),
    (payloads.decode_v4, "2\x1e"),
    (payloads.decode_v4, "b?"),
    (payloads.decode_v4, "7"),
    (payloads.decode_v3_text, "2:4"),
    (payloads.decode_v3_text, "02:4a"),
    (payloads.decode_v3_text, "2:4🐝"),
    (payloads.decode_v3_text, "x"),
    (lambda script: payloads.decode_jsonp(script, 0), '___eio[1]("1:2");'),
    (lambda script: payloads.decode_jsonp(script, 0), '___eio[0]("\u2028");'),
    (lambda text: DefaultParser().feed(text), "47"),
    (lambda text: DefaultParser().feed(text), '42["a",NaN]'),
    (lambda text: DefaultParser().feed(text), '42["a"'),
]


@pytest.mark.parametrize(("decode", "text"), REFUSED)
def test_what_a_server_may_not_write_is_refused(decode: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("40", SioPacket(Type.CONNECT)),
        ("40/admin,", SioPacket(Type.CONNECT, "/admin")),
        ('40/admin,{"a":1}', SioPacket(Type.CONNECT, "/admin", data={"a": 1})),
        ('42["a",1]', SioPacket(Type.EVENT, data=["a", 1])),
        ('42/admin,12["a"]', SioPacket(Type.EVENT, "/admin", 12, ["a"])),
        ("43/admin,456[]", SioPacket(Type.ACK, "/admin", 456, [])),
        ('44"no"', SioPacket(Type.CONNECT_ERROR, data="no")),
    ],
)
def test_a_packet_of_the_default_parser(text: str, packet: SioPacket) -> None:
    assert DefaultParser().feed(text) == packet


def test_binary_is_taken_out_and_put_back() -> None:
    packet = SioPacket(Type.ACK, "/admin", 3, [b"a", {"x": [b"b"]}])
    first, *attachments = DefaultParser().encode(packet)
    assert isinstance(first, str)
    assert first.startswith("462-/admin,3[")
    assert attachments == [b"a", b"b"]
    parser = DefaultParser()
    assert [parser.feed(message) for message in (first, *attachments)] == [None, None, packet]
