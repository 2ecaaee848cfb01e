"""Globs as Redis reads them, for those that patterns make."""

from __future__ import annotations

import itertools

import pytest

from hornet.core.globs import matches_glob
from hornet.core.patterns import parse_pattern, parse_publication, parse_topic


@pytest.mark.parametrize(
    ("glob", "topic", "expected"),
    [
        ("a:*", "a:1", True),
        ("a:*", "a:", True),
        ("a:*", "b:1", False),
        ("*|a:1", "a:1", False),
        ("*|a:1", "0:x|a:1", True),
        ("a:1|b:*", "a:1|b:x|c:\n", True),
        (r"a:\?\[x\]\\", r"a:?[x]" + "\\", True),
        (r"a:\?", "a:1", False),
        ("a.:*", "ab:1", False),
    ],
)
def test_a_glob_matches_as_in_redis(glob: str, topic: str, expected: bool) -> None:
    assert matches_glob(glob, topic) is expected


def test_exactly_one_glob_of_a_pattern_matches_each_of_its_topics() -> None:
    values = [None, "1", "?[\\"]
    keys = ("a", "b?", "c")
    topics = [
        parse_publication({key: value for key, value in zip(keys, chosen, strict=True) if value})
        for chosen in itertools.product(values, repeat=3)
        if any(chosen)
    ]
    for chosen in itertools.product((None, "1", "?[\\", "*"), repeat=3):
        shown = {key: value for key, value in zip(keys, chosen, strict=True) if value}
        for is_subset in (True, False) if shown else ():
            pattern = parse_pattern(shown, is_subset)
            for topic in topics:
                parsed = parse_topic(topic)
                assert parsed is not None
                if pattern.matches(parsed):
                    for globs in (pattern.globs, pattern.broad_globs):
                        assert sum(matches_glob(glob, topic) for glob in globs) == 1
