"""Header lines of one name."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from hornet.core.headers import combined, is_repeated, join_lines

LINES = [("x-forwarded-for", "192.0.2.1"), ("host", "a"), ("x-forwarded-for", "203.0.113.9")]


def test_lines_of_one_name_are_one_list() -> None:
    as_read = CIMultiDictProxy(CIMultiDict(LINES))
    for headers in (as_read, join_lines(LINES)):
        assert combined(headers, "x-forwarded-for") == "192.0.2.1, 203.0.113.9"
        assert combined(headers, "host") == "a"
        assert combined(headers, "cookie") == ""


def test_cookies_are_separated_as_in_one_line() -> None:
    assert join_lines([("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]) == {
        "cookie": "a=1; b=2; c=3"
    }


@pytest.mark.parametrize(("name", "repeated"), [("x-forwarded-for", True), ("host", False), ("via", False)])
def test_what_came_in_several_lines_is_known(name: str, repeated: bool) -> None:
    assert is_repeated(join_lines(LINES), name) is repeated
    assert not is_repeated({"host": "a"}, name)
