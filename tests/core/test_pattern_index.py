"""All subscriptions that a publication matches, and no other."""

import itertools

import pytest

from hornet.core.pattern_index import PatternIndex
from hornet.core.patterns import Pattern, parse_pattern, parse_publication, parse_topic


def every_pattern() -> list[Pattern]:
    """All over the keys a, b and c with the values 1, 2 and any, with subset and without."""
    patterns = []
    for values in itertools.product([None, "1", "2", "*"], repeat=3):
        shown = {key: value for key, value in zip("abc", values, strict=True) if value is not None}
        if shown:
            patterns += [parse_pattern(shown, False), parse_pattern(shown, True)]
    return patterns


def publication(**shown: str) -> dict[str, str]:
    parsed = parse_topic(parse_publication(shown))
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    "shown", [{"a": "1"}, {"b": "2", "c": "1"}, {"a": "1", "b": "2", "c": "3"}, {"d": "1"}]
)
def test_a_pattern_index_finds_what_each_pattern_says_of_itself(shown: dict[str, str]) -> None:
    index, topic = PatternIndex(), publication(**shown)
    for pattern in every_pattern():
        index.add(pattern)
    found = index.match(topic)
    assert len(found) == len(set(found))
    assert set(found) == {pattern.text for pattern in every_pattern() if pattern.matches(topic)}


def test_what_was_removed_is_not_found_and_leaves_nothing() -> None:
    index, patterns = PatternIndex(), every_pattern()
    for pattern in (*patterns, *patterns):
        index.add(pattern)
    assert len(index) == len(patterns)
    half = len(patterns) // 2
    for pattern in patterns[:half]:
        index.remove(pattern)
    for values in itertools.product("123", repeat=3):
        topic = publication(**dict(zip("abc", values, strict=True)))
        assert set(index.match(topic)) == {one.text for one in patterns[half:] if one.matches(topic)}
    for pattern in patterns[half:]:
        index.remove(pattern)
    assert len(index) == 0
    assert index.match(publication(a="1")) == []
    with pytest.raises(KeyError):
        index.remove(patterns[0])
