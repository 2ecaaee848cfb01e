"""Engine.IO bodies of both versions: what is written is read back, and nothing but Malformed is raised."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.engine.errors import Malformed
from hornet.engine.wire.payloads import (
    Packet,
    dump_binary3,
    dump_jsonp,
    dump_payload4,
    dump_text3,
    parse_binary3,
    parse_jsonp,
    parse_payload4,
    parse_text3,
)

unicode_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e"), max_size=40)
packets = st.lists(st.one_of(unicode_text.map("4".__add__), st.binary(max_size=40)), min_size=1, max_size=8)


def looks_doubly_encoded(packet: Packet) -> bool:
    try:
        return isinstance(packet, str) and packet.encode("latin-1").decode("utf-8") != packet
    except ValueError:
        return False


@given(packets)
def test_a_payload_of_version_4_reads_back(sent: list[Packet]) -> None:
    assert parse_payload4(dump_payload4(sent)) == sent


@given(packets.filter(lambda sent: not any(map(looks_doubly_encoded, sent))))
def test_a_text_payload_of_version_3_reads_back(sent: list[Packet]) -> None:
    assert parse_text3(dump_text3(sent).encode()) == sent


@given(packets)
def test_a_binary_payload_of_version_3_reads_back(sent: list[Packet]) -> None:
    assert parse_binary3(dump_binary3(sent)) == sent


def test_a_length_of_version_3_counts_utf16_code_units() -> None:
    assert dump_text3(["4😀é"]) == "4:4😀é"
    assert parse_text3("4:4😀é2:4x".encode()) == ["4😀é", "4x"]


def test_text_that_an_old_client_encoded_twice_is_mended() -> None:
    body = "4ü€".encode().decode("latin-1")
    assert parse_text3(f"{len(body)}:{body}".encode()) == ["4ü€"]


def test_a_jsonp_script_survives_quotes_backslashes_and_line_separators() -> None:
    script = dump_jsonp("3", '4"\\n\u2028\u2029')
    assert script == rb'___eio[3]("4\"\\n\u2028\u2029");'


def test_a_jsonp_form_gives_back_newlines_and_escaped_newlines() -> None:
    assert parse_jsonp(rb"d=4a%5Cnb%5C%5Cnc%2B+") == b"4a\nb\\nc+ "


@pytest.mark.parametrize("parse", [parse_payload4, parse_text3, parse_binary3, parse_jsonp])
@given(body=st.one_of(st.binary(max_size=60), st.from_regex(r"[0-9:;b4\xff\x1e=d]{0,30}").map(str.encode)))
def test_only_malformed_comes_out_of_any_body(parse: Callable[[bytes], object], body: bytes) -> None:
    with suppress(Malformed):
        parse(body)
