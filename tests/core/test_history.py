"""Positions, offsets, and the stamp in a recorded publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.core.history import (
    Offset,
    Stamp,
    StreamPosition,
    is_whole_after,
    parse_offset,
    parse_position,
    split_stamp,
    with_position,
)

IDS = st.integers(min_value=0, max_value=10**16 - 1)
WORDS = st.from_regex(r"[0-9a-z]{1,32}", fullmatch=True)


@given(WORDS, IDS)
def test_a_position_is_read_as_it_was_written(epoch: str, id: int) -> None:
    position = StreamPosition(epoch, id)
    assert parse_position(str(position)) == position


@given(WORDS, IDS, WORDS, IDS)
def test_an_offset_is_read_as_it_was_written_and_is_a_position_too(
    epoch: str, id: int, node: str, number: int
) -> None:
    offset = Offset(epoch, id, node, number)
    assert parse_offset(str(offset)) == offset
    assert parse_position(str(offset)) == offset.position


@pytest.mark.parametrize(
    "value", [None, 17, "", "-", "e1", "e1-", "e1-x", "E1-1", "e1-1-n", "e1-1-n-2-3", "e1-1\n", b"e1-1"]
)
def test_anything_else_is_no_position_and_no_offset(value: object) -> None:
    for parse in (parse_position, parse_offset):
        with pytest.raises(ValueError, match="as Hornet gave it"):
            parse(value)


STAMPED = b'{"hornet:position":"e1-1700000000000002-1700000000000001"'
STAMP = Stamp("e1", 1700000000000002, 1700000000000001)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (STAMPED + b',"type":"news"}', (STAMP, b'{"type":"news"}')),
        (STAMPED + b"}", (STAMP, b"{}")),
        (STAMPED + b', "a": 1 }', (STAMP, b'{ "a": 1 }')),
        (STAMPED + b',"hornet:payload":[1,2]}', (STAMP, b"[1,2]")),
        (b'{"type":"news"}', (None, b'{"type":"news"}')),
        (b'{"hornet:position":"x","type":"news"}', (None, b'{"hornet:position":"x","type":"news"}')),
        (b'{"hornet:position":"', (None, b'{"hornet:position":"')),
    ],
    ids=["object", "empty", "spaces", "no object", "plain", "malformed", "cut off"],
)
def test_the_stamp_is_taken_out(payload: bytes, expected: tuple[Stamp | None, bytes]) -> None:
    assert split_stamp(payload) == expected


@given(st.binary())
def test_any_bytes_behind_a_stamp_are_left_as_they_are(rest: bytes) -> None:
    stamp, payload = split_stamp(STAMPED + b"," + rest)
    assert stamp == STAMP
    assert payload in (b"{" + rest, rest.removeprefix(b'"hornet:payload":')[:-1])


@pytest.mark.parametrize(
    ("since", "floor", "last", "previous", "is_whole"),
    [
        (7, 5, 9, 7, True),
        (6, 5, 9, 7, False),
        (9, 5, 9, None, True),
        (8, 5, 9, None, False),
        (5, 5, None, None, True),
        (4, 5, None, None, False),
    ],
)
def test_all_since_an_id_is_kept_if_the_chain_reaches_it(
    since: int, floor: int, last: int | None, previous: int | None, is_whole: bool
) -> None:
    assert is_whole_after(since, floor=floor, last=last, previous=previous) is is_whole


def test_the_position_of_a_message_replaces_no_field() -> None:
    assert with_position({"n": 1}, "a-1") == {"n": 1, "position": "a-1"}
    assert with_position({"position": 3}, "a-1") == {"position": 3, "hornet:position": "a-1"}
