"""permessage-deflate: which offers are accepted, and how large a message may become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.engine.errors import Malformed
from hornet.engine.wire.compression import deflate, inflate, negotiate


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
