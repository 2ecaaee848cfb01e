"""WebSocket frames: any cut of the stream gives the same messages, and nothing but Malformed is raised."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.engine.errors import Malformed
from hornet.engine.wire.compression import deflate, inflate
from hornet.engine.wire.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, FrameParser, frame, unmask

MASK = b"\x1f\x00\xa5\xff"


def client_frame(opcode: int, payload: bytes, *, final: bool = True, compressed: bool = False) -> bytes:
    """A frame as a client sends it: the server's, with a mask."""
    plain = frame(opcode, payload, compressed=compressed)
    head = plain[: len(plain) - len(payload)]
    first = head[0] if final else head[0] & 0x7F
    return bytes((first, head[1] | 0x80)) + head[2:] + MASK + unmask(payload, MASK)


def feed(parser: FrameParser, stream: bytes, cuts: list[int]) -> list[tuple[int, str | bytes]]:
    found = []
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        found += parser.feed(stream[start:end])
    return found


@given(
    st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary()), max_size=6),
    st.lists(st.integers(min_value=0), max_size=20),
)
def test_any_cut_gives_the_same_messages(sent: list[str | bytes], cuts: list[int]) -> None:
    stream = b"".join(
        client_frame(TEXT, m.encode()) if isinstance(m, str) else client_frame(BINARY, m) for m in sent
    )
    found = feed(FrameParser(10_000), stream, cuts)
    assert found == [(TEXT if isinstance(m, str) else BINARY, m) for m in sent]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536])
def test_each_width_of_length_is_read(size: int) -> None:
    assert FrameParser(70_000).feed(client_frame(BINARY, b"x" * size)) == [(BINARY, b"x" * size)]


def test_fragments_are_joined_around_a_ping() -> None:
    stream = (
        client_frame(TEXT, b"a", final=False)
        + client_frame(PING, b"p")
        + client_frame(CONTINUATION, b"b", final=False)
        + client_frame(CONTINUATION, b"c")
    )
    assert FrameParser(10).feed(stream) == [(PING, b"p"), (TEXT, "abc")]


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (frame(TEXT, b"not masked"), 1002),
        (client_frame(TEXT, b"x", compressed=True), 1002),
        (client_frame(CONTINUATION, b"x"), 1002),
        (client_frame(TEXT, b"x", final=False) + client_frame(TEXT, b"y"), 1002),
        (client_frame(3, b"x"), 1002),
        (client_frame(PING, b"x", final=False), 1002),
        (client_frame(PING, b"x" * 126), 1002),
        (client_frame(CLOSE, b"\x03"), 1002),
        (client_frame(CLOSE, b"\x03\xed"), 1002),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"x" * 101), 1009),
        (client_frame(TEXT, b"x" * 60, final=False) + client_frame(CONTINUATION, b"x" * 60), 1009),
    ],
)
def test_a_broken_rule_has_its_close_code(stream: bytes, code: int) -> None:
    with pytest.raises(Malformed) as caught:
        FrameParser(100).feed(stream)
    assert caught.value.close_code == code


def test_a_message_too_big_is_refused_by_its_header() -> None:
    with pytest.raises(Malformed):
        FrameParser(100).feed(client_frame(BINARY, b"x" * 1000)[:8])


@given(st.lists(st.binary(max_size=30), max_size=8), st.booleans())
def test_only_malformed_comes_out_of_any_stream(reads: list[bytes], deflated: bool) -> None:
    parser = FrameParser(50, inflate if deflated else None)
    with suppress(Malformed):
        for read in reads:
            parser.feed(read)


@given(st.binary(max_size=5000))
def test_what_is_compressed_reads_back(payload: bytes) -> None:
    parser = FrameParser(5000, inflate)
    assert parser.feed(client_frame(BINARY, deflate(payload), compressed=True)) == [(BINARY, payload)]
