"""What a node heard last on each topic: gaps and doubles are found, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornet.core.history import Stamp
from hornet.core.message_chains import MAX_TOPICS, QUIET_US, Link, MessageChains


def stamp(id: int, previous: int) -> Stamp:
    return Stamp("e", id, previous)


@pytest.mark.parametrize(
    ("id", "previous", "expected"),
    [
        (5, 4, Link.NEXT),
        (4, 3, Link.DOUBLE),
        (3, 2, Link.DOUBLE),
        (6, 5, Link.GAP),
        (9, 3, Link.NEXT),
        (4 + QUIET_US + 9, 4 + QUIET_US, Link.NEXT),
    ],
    ids=["next", "same", "older", "missed one", "the history went back", "after a long time"],
)
def test_a_publish_is_compared_with_the_last_of_its_topic(id: int, previous: int, expected: Link) -> None:
    chains = MessageChains()
    chains.hear("a", "a", 4)
    assert chains.link("a", "a", stamp(id, previous)) is expected


def test_sources_and_topics_have_chains_of_their_own_until_they_are_forgotten() -> None:
    chains = MessageChains()
    chains.hear("a", "a", 4)
    chains.hear("*", "a", 2)
    assert chains.link("*", "a", stamp(4, 3)) is Link.GAP
    assert chains.link("*", "b", stamp(4, 3)) is Link.NEXT
    assert chains.link("b", "b", stamp(4, 3)) is Link.NEXT
    assert (chains.last("a", "a"), chains.last("*", "a"), chains.last("*", "b")) == (4, 2, None)
    chains.forget("*")
    chains.forget("*")
    assert chains.link("*", "a", stamp(4, 3)) is Link.NEXT
    chains.clear()
    assert chains.link("a", "a", stamp(9, 8)) is Link.NEXT


@given(st.lists(st.booleans(), max_size=40))
def test_a_gap_is_found_exactly_where_messages_of_the_topic_got_lost(arrivals: list[bool]) -> None:
    chains, has_missed, is_first = MessageChains(), False, True
    for previous, arrives in enumerate(arrivals):
        if not arrives:
            has_missed = True
            continue
        link = chains.link("a", "a", stamp(previous + 1, previous))
        assert link is (Link.GAP if has_missed and not is_first else Link.NEXT)
        chains.hear("a", "a", previous + 1)
        assert chains.link("a", "a", stamp(previous + 1, previous)) is Link.DOUBLE
        has_missed = is_first = False


def test_a_glob_that_matches_ever_new_topics_takes_no_more_than_its_share() -> None:
    chains = MessageChains()
    for number in range(3 * MAX_TOPICS):
        chains.hear("*", f"topic {number}", number + 1)
    kept = sum(chains.last("*", f"topic {number}") is not None for number in range(3 * MAX_TOPICS))
    assert MAX_TOPICS // 2 <= kept <= MAX_TOPICS
    assert chains.last("*", f"topic {3 * MAX_TOPICS - 1}") == 3 * MAX_TOPICS
