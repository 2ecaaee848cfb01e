"""permessage-deflate: which offers are accepted, and how large a message may become."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.engine import EngineSettings
from hornet.engine.errors import Malformed
from hornet.engine.wire.compression import deflate, inflate, negotiate
from hornet.engine.wire.frames import FrameParser
from tests.engine.application import running
from tests.engine.caller import WAIT_S


@given(st.binary(max_size=5000))
def test_a_deflated_payload_inflates_to_itself(payload: bytes) -> None:
    assert inflate(deflate(payload), 5000) == payload


def test_a_payload_that_is_not_deflated_is_malformed() -> None:
    with pytest.raises(Malformed) as caught:
        inflate(b"\xff\xff\xff", 1000)
    assert caught.value.close_code == 1007


def test_a_small_frame_that_inflates_beyond_the_limit_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        inflate(deflate(b"x" * 1_000_000), 1000)
    assert caught.value.close_code == 1009


@pytest.mark.parametrize(
    ("offer", "taken"),
    [
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=8", False),
        ("x-webkit-deflate-frame", False),
        ("", False),
    ],
)
def test_an_offer_of_compression_is_taken_as_the_rfc_has_it(offer: str, taken: bool) -> None:
    assert (negotiate(offer) is not None) is taken


def bomb(size: int) -> bytes:
    """A compressed frame of a client, with a mask of zeros, that becomes a thousand times as long."""
    payload = deflate(b"x" * size)
    return bytes((0xC1, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def test_a_read_full_of_bombs_is_taken_piece_by_piece() -> None:
    parser = FrameParser(100_000, inflate)
    read = bomb(90_000) * 20
    counts = [len(parser.feed(read))]
    while parser.has_more:
        parser.inflated = 0
        assert parser.held_bytes > 0
        counts.append(len(parser.feed(b"")))
    assert max(counts) == 2
    assert sum(counts) == 20
    assert parser.is_idle


async def test_compressed_messages_are_paced_by_what_they_become() -> None:
    settings = EngineSettings(compression=True, max_byte_rate=200_000.0, max_payload_bytes=100_000)
    async with running(settings) as application:
        ws, _ = await application.open_websocket(compress=15)
        assert ws.compress
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(8):
            await ws.send_str('42["echo","' + "x" * 90_000 + '"]')
        async with asyncio.timeout(WAIT_S):
            for _ in range(8):
                await ws.receive_str()
        # Of 720 kB, 400 kB may come at once, and 200 kB before it is known to be too much.
        assert loop.time() - begun > 0.5
        assert application.engine.counts.paced >= 1


async def test_newcomers_that_send_bombs_are_cut() -> None:
    settings = EngineSettings(compression=True, max_unauthenticated_byte_rate=50_000.0)
    async with running(settings, admits=False) as application:
        ws, _ = await application.open_websocket(compress=15)
        for _ in range(8):
            await ws.send_str('42["echo","' + "x" * 60_000 + '"]')
        async with asyncio.timeout(WAIT_S):
            async for _ in ws:
                pass
        assert application.engine.counts.malformed == {"too_many_bytes": 1}
