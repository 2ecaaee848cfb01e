"""JSON as browsers understand it."""

import pytest

from hornet.core.jsontext import check_depth


def nested(depth: int) -> object:
    value: object = 1
    for level in range(depth):
        value = [value, 1] if level % 2 else {"a": value}
    return value


def test_depth_is_counted_in_lists_and_objects() -> None:
    check_depth(1, 1)
    check_depth(nested(5), 5)
    with pytest.raises(ValueError, match="too deeply"):
        check_depth(nested(6), 5)


def test_no_depth_is_too_deep_to_be_checked() -> None:
    with pytest.raises(ValueError, match="too deeply"):
        check_depth(nested(100_000), 64)
