"""The text of a pattern, and which publications match which subscriptions."""

from fnmatch import fnmatchcase

import pytest

from hornet.broker import keys
from hornet.core.errors import PeerError
from hornet.core.patterns import (
    MAX_KEYS,
    MAX_PATTERN_CHARS,
    RESERVED_PREFIXES,
    parse_pattern,
    parse_publication,
    parse_topic,
)


@pytest.mark.parametrize(
    ("shown", "topic"),
    [
        ({"kind": "news"}, "kind:news"),
        ({"kind": "news", "channel": "CNN"}, "channel:CNN|kind:news"),
        ({"channel": "CNN", "kind": "news"}, "channel:CNN|kind:news"),
        ({"user": 7}, "user:7"),
        ({"empty": ""}, "empty:"),
        ({"a:b": "c|d", "e%3A": "50%"}, "a%3Ab:c%7Cd|e%253A:50%25"),
        ({"a": "x*"}, "a:x%2A"),
        ({"město": "Žilina 🐎"}, "město:Žilina 🐎"),
        ({"a": "1", "a!": "2", "B": "3"}, "B:3|a:1|a!:2"),
    ],
)
def test_a_publications_topic_has_its_pairs_in_the_order_of_the_keys(
    shown: dict[str, object], topic: str
) -> None:
    assert parse_publication(shown) == topic
    exact = parse_pattern(shown)
    assert exact.text == topic
    assert exact.is_exact
    parsed = parse_topic(topic)
    assert parsed is not None
    assert exact.matches(parsed)


@pytest.mark.parametrize(
    ("shown", "subset", "text", "globs"),
    [
        ({"b": "1", "a": "*"}, False, "a:*|b:1", ["a:*|b:1"]),
        ({"a": "*"}, None, "a:*", ["a:*"]),
        ({"b": "1"}, True, "b:1|*", ["b:1*", "*|b:1*"]),
        ({"b": "1", "a": "*"}, True, "a:*|b:1|*", ["a:*|b:1*", "*|a:*|b:1*"]),
        ({"b": "*", "a": "*"}, True, "a:*|b:*|*", ["a:*|b:*", "*|a:*|b:*"]),
        ({"a?": "[x]\\", "b": "*"}, False, "a?:[x]\\|b:*", ["a\\?:\\[x\\]\\\\|b:*"]),
    ],
)
def test_a_wildcard_has_a_text_and_globs(
    shown: dict[str, object], subset: object, text: str, globs: list[str]
) -> None:
    pattern = parse_pattern(shown, subset)
    assert not pattern.is_exact
    assert (pattern.text, list(pattern.globs)) == (text, globs)


def test_patterns_with_the_same_keys_share_their_broad_globs() -> None:
    one, other = parse_pattern({"user": "1", "kind": "*"}), parse_pattern({"kind": "news", "user": "2"})
    assert one.broad_globs == other.broad_globs == ("kind:*|user:*",)
    assert parse_pattern({"user": "1"}, subset=True).broad_globs == ("user:*", "*|user:*")


def test_a_star_within_a_value_is_a_star() -> None:
    pattern = parse_pattern({"a": "x*"})
    assert pattern.is_exact
    assert pattern.text == "a:x%2A"


@pytest.mark.parametrize(
    ("shown", "subset", "topic", "matches"),
    [
        ({"kind": "news"}, False, "kind:news", True),
        ({"kind": "news"}, False, "kind:sport", False),
        ({"kind": "news"}, False, "channel:CNN|kind:news", False),
        ({"kind": "news"}, True, "channel:CNN|kind:news", True),
        ({"kind": "news"}, True, "kind:news", True),
        ({"kind": "news"}, True, "kind:newsroom", False),
        ({"kind": "news"}, True, "xkind:news", False),
        ({"kind": "news", "channel": "*"}, False, "channel:CNN|kind:news", True),
        ({"kind": "news", "channel": "*"}, False, "channel:|kind:news", True),
        ({"kind": "news", "channel": "*"}, False, "channel:CNN|extra:1|kind:news", False),
        ({"kind": "news", "channel": "*"}, True, "channel:CNN|extra:1|kind:news", True),
        ({"kind": "news", "channel": "*"}, True, "kind:news", False),
        ({"a": "x|b:y"}, False, "a:x%7Cb%3Ay", True),
        ({"a": "x", "b": "y"}, False, "a:x%7Cb%3Ay", False),
    ],
)
def test_a_publication_matches_by_its_keys_and_values(
    shown: dict[str, object], subset: bool, topic: str, matches: bool
) -> None:
    parsed = parse_topic(topic)
    assert parsed is not None
    assert parse_pattern(shown, subset).matches(parsed) is matches


@pytest.mark.parametrize(
    "topic", ["", "a", "a:b:c", "b:1|a:2", "a:1|a:2", ":1", "a:*", "a:1|", "|a:1", "a:1|*", "hornet:ask"]
)
def test_a_topic_that_no_pattern_writes_matches_nothing(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize(
    ("shown", "subset"),
    [
        (None, None),
        ({}, None),
        ([["a", "b"]], None),
        ("a:b", None),
        ({"a": None}, None),
        ({"a": True}, None),
        ({"a": 1.5}, None),
        ({"a": ["b"]}, None),
        ({"": "b"}, None),
        ({"a": "\ud800"}, None),
        ({"\ud800": "b"}, None),
        ({"hornet": "ask"}, None),
        ({"a": "b"}, "yes"),
        ({"a": "b"}, 1),
        ({"a": 10**5000}, None),
        ({"a": "x" * MAX_PATTERN_CHARS}, None),
        ({"a": "%" * (MAX_PATTERN_CHARS // 2)}, None),
        ({str(number): "x" for number in range(MAX_KEYS + 1)}, None),
    ],
)
def test_what_is_no_pattern_is_refused_with_one_code(shown: object, subset: object) -> None:
    with pytest.raises(PeerError) as refused:
        parse_pattern(shown, subset)
    assert refused.value.code == "BAD_PATTERN"


def test_a_publication_has_no_wildcard() -> None:
    with pytest.raises(PeerError, match="for subscriptions"):
        parse_publication({"a": "*"})


def test_as_many_keys_and_characters_as_the_limits_say() -> None:
    most = {f"{number:02}": "x" * 28 for number in range(MAX_KEYS)}
    assert len(parse_publication(most)) == MAX_KEYS * 31 + MAX_KEYS - 1 <= MAX_PATTERN_CHARS


RESERVED_KEYS = ("hornet", *(f"{prefix}{end}" for prefix in RESERVED_PREFIXES for end in ("", "/#", "x")))


@pytest.mark.parametrize("key", RESERVED_KEYS)
def test_a_key_whose_topics_mean_something_to_others_is_refused_wherever_a_pattern_is_parsed(
    key: str,
) -> None:
    for keys_and_values in ({key: "x"}, {key: "x", "a": "b"}, {key: "x", "z": "b"}):
        with pytest.raises(PeerError, match=r"BAD_PATTERN.*reserved"):
            parse_publication(keys_and_values)
        with pytest.raises(PeerError, match=r"BAD_PATTERN.*reserved"):
            parse_pattern(keys_and_values, True)
    assert parse_topic(f"{key}:x") is None
    assert parse_topic(f"{key}:x|zz:b") is None


def test_no_topic_of_a_publication_is_one_that_hornet_listens_to_for_other_purposes() -> None:
    others = (*keys.own_topics("n"), keys.EMITTERS_GLOB, f"{keys.OWN_PREFIX}*")
    names = [other.rstrip("*") for other in others]
    for first in (*names, *(name.rstrip(":") for name in names), "socketio"):
        try:
            topic = parse_publication({first: "x"})
        except PeerError:
            continue
        assert not any(fnmatchcase(topic, other) for other in others), topic
    for near in ("hornets", "socket.io", "socketio", "__typename", "sentinel"):
        assert parse_publication({near: "x"}) == f"{near}:x"
