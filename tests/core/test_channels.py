"""Names of channels, and the proof that each kind of channel takes."""

import pytest

from hornet.core.channels import (
    MAX_CHANNEL_CHARS,
    Kind,
    Names,
    check_channel,
    is_channel_name,
    kind_of,
)
from hornet.core.errors import PeerError

GOOD = ["a", "A", "news:sport", "žluť 🐎", "*", "a|b", " ", "\x00", "x" * MAX_CHANNEL_CHARS, "hornets"]
BAD = ["", "x" * (MAX_CHANNEL_CHARS + 1), "\ud800", None, 7, ["a"], {"a": 1}]


@pytest.mark.parametrize("name", GOOD)
def test_a_name_may_hold_anything_that_utf8_carries(name: str) -> None:
    assert is_channel_name(name)
    assert check_channel(name) == name


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_name_is_refused_with_one_code(name: object) -> None:
    assert not is_channel_name(name)
    with pytest.raises(PeerError) as refused:
        check_channel(name)
    assert refused.value.code == "BAD_CHANNEL"


def test_no_session_may_subscribe_to_the_reserved_channel() -> None:
    with pytest.raises(PeerError, match="reserved"):
        check_channel("hornet")


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("hornet", Kind.CONTROL),
        ("private-a", Kind.PRIVATE),
        ("private-", Kind.PRIVATE),
        ("Private-A", Kind.PRIVATE),
        ("private", Kind.TOKEN),
        ("public-a", Kind.PUBLIC),
        ("public-", Kind.PUBLIC),
        ("public", Kind.TOKEN),
        ("Public-a", Kind.TOKEN),
        ("lobby", Kind.PUBLIC),
        ("lobby2", Kind.TOKEN),
        ("eu.news.all", Kind.PUBLIC),
        ("eu.news.all\n", Kind.TOKEN),
        ("euxnewsxall", Kind.TOKEN),
    ],
)
def test_the_kind_of_a_channel_follows_from_its_name(channel: str, kind: Kind) -> None:
    assert kind_of(channel, Names(["public-*", "lobby", "*.news.*all"])) is kind


def test_a_channel_is_public_only_if_the_configuration_names_it() -> None:
    assert kind_of("public-a") is Kind.TOKEN
    assert "" not in Names([])


def test_no_pattern_opens_a_private_channel_or_the_reserved_one() -> None:
    everything = Names(["*"])
    assert kind_of("anything\nat all", everything) is Kind.PUBLIC
    assert kind_of("private-a", everything) is Kind.PRIVATE
    assert kind_of("PRIVATE-a", everything) is Kind.PRIVATE
    assert kind_of("hornet", everything) is Kind.CONTROL
