"""The signature of pushy's triggers."""

import pytest

from hornet.core.triggers import RefusedTrigger, check_trigger, sign_trigger


def test_the_signature_is_sha256_of_the_documented_text() -> None:
    assert sign_trigger("secret", "Hello", "test", "123456789", "{}").startswith("fc7da7a7")


@pytest.mark.parametrize("now_s", [1000 - 599.9, 1000, 1000 + 599.9])
def test_a_trigger_is_good_for_ten_minutes_around_its_time(now_s: float) -> None:
    key = sign_trigger("s", "c", "e", "1000", "{}")
    check_trigger("s", "c", "e", "1000", ("{ }", "{}"), key.upper(), now_s)


@pytest.mark.parametrize(
    ("timestamp", "now_s", "key", "code"),
    [
        ("1000", 400, None, "501"),
        ("1000", 1600, None, "501"),
        ("-5", 0, None, "501"),
        ("1e3", 1000, None, "501"),
        ("", 0, None, "501"),
        ("\u0661", 1, None, "501"),
        ("9" * 5000, 0, None, "501"),
        ("1000", 1000, "", "403"),
        ("1000", 1000, "\udc80", "403"),
    ],
)
def test_any_other_is_refused(timestamp: str, now_s: float, key: str | None, code: str) -> None:
    shown = sign_trigger("s", "c", "e", timestamp, "{}") if key is None else key
    with pytest.raises(RefusedTrigger) as refused:
        check_trigger("s", "c", "e", timestamp, ("{}",), shown, now_s)
    assert refused.value.code == code
