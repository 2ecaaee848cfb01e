"""The longest message, counted in bytes of UTF-8."""

import pytest

from hornet.core import codes
from hornet.core.errors import InvalidPublish
from hornet.core.message_limit import DEFAULT_MAX_MESSAGE_BYTES, MessageLimit

MIB = 1024 * 1024


@pytest.mark.parametrize("text", ["x" * 100, "é" * 50, "€" * 33 + "x", "🐎" * 25])
def test_a_text_of_as_many_bytes_as_allowed_passes_and_one_more_does_not(text: str) -> None:
    limit = MessageLimit(100)
    limit.check_text(text)
    limit.check(text.encode())
    with pytest.raises(InvalidPublish, match="101 bytes, more than 100") as refused:
        limit.check_text(text + "x")
    assert refused.value.code == codes.TOO_LARGE
    with pytest.raises(InvalidPublish, match="101 bytes, more than 100"):
        limit.check(text.encode() + b"x")


def test_half_a_character_is_counted_and_not_judged() -> None:
    with pytest.raises(InvalidPublish):
        MessageLimit(5).check_text("\ud800\ud800")


def test_another_limit_counts_from_then_on() -> None:
    limit = MessageLimit(10)
    limit.configure(11)
    limit.check(b"x" * 11)


def test_by_default_seven_messages_may_wait_in_redis() -> None:
    assert 32 * MIB // DEFAULT_MAX_MESSAGE_BYTES > 7 >= 8 * MIB // DEFAULT_MAX_MESSAGE_BYTES
