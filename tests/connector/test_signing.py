"""The signatures that a backend makes for pages in private channels."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hornet.connector import sign_channel
from hornet.core.presence import Member, parse_member
from hornet.core.signatures import is_signed


def test_a_channel_is_signed_for_one_connection() -> None:
    signed = sign_channel("secret", "abc", "private-orders")
    assert signed.keys() == {"channel", "signature"}
    assert is_signed(signed["signature"], ["secret"], "abc", signed["channel"])
    assert not is_signed(signed["signature"], ["secret"], "abd", signed["channel"])


def test_presence_data_goes_along_as_the_text_that_was_signed() -> None:
    signed = sign_channel("secret", "abc", "private-Room", {"id": 7, "info": {"name": "Zoë"}})
    assert signed["presence"] == '{"id":7,"info":{"name":"Zoë"}}'
    assert parse_member(signed["presence"]) == Member("7", {"name": "Zoë"})
    assert is_signed(signed["signature"], ["secret"], "abc", "private-Room", signed["presence"])
    assert json.loads(json.dumps(signed)) == signed


def test_the_id_may_be_left_to_the_sessions_user() -> None:
    assert sign_channel("secret", "abc", "private-room", {})["presence"] == "{}"


@pytest.mark.parametrize(
    ("secret", "channel", "presence", "why"),
    [
        ("", "private-a", None, "secret is empty"),
        ("secret", "orders", None, "no private channel"),
        ("secret", "", None, "1 to 512 characters"),
        ("secret", "hornet", None, "reserved"),
        ("secret", "private-a:{}", None, "in its name"),
        ("secret", "private-a", {"id": ""}, "'id' in the presence data"),
        ("secret", "private-a", {"id": "7", "info": float("nan")}, "JSON"),
        ("secret", "private-a", {"id": "7", "info": "x" * 5000}, "longer than"),
    ],
)
def test_what_a_server_would_refuse_is_not_signed(
    secret: str, channel: str, presence: Mapping[str, Any] | None, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        sign_channel(secret, "abc", channel, presence)
