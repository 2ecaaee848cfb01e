"""The ledger of a continuity run: what is lost in silence, doubled or out of order, and what was told."""

import pytest

from benchmarks.continuity.ledger import TOLD_WITHIN_S, Ledger

CHANNEL = "news"


def ledger(published: int, *, uncertain: tuple[int, ...] = ()) -> Ledger:
    """Return a ledger of one client in one channel, with numbers from 1 on published."""
    made = Ledger([CHANNEL, "other"])
    made.expect(1, [CHANNEL])
    for number in range(1, published + 1):
        made.numbers[CHANNEL].published(number, certain=number not in uncertain)
    return made


def receive(made: Ledger, *numbers: int, at: float = 0.0) -> None:
    for number in numbers:
        made.received(1, CHANNEL, number, at)


def found(made: Ledger) -> dict[str, int]:
    return {what: made.total(what) for what in ("told", "lost", "doubled", "disordered") if made.total(what)}


def test_all_numbers_in_order_are_no_complaint() -> None:
    made = ledger(4)
    receive(made, 1, 2, 3, 4)
    made.finish()
    assert found(made) == {}
    assert made.complaints == []
    assert made.total("received") == 4


def test_a_client_owes_nothing_before_its_first_number() -> None:
    made = ledger(9)
    receive(made, 8, 9)
    made.finish()
    assert found(made) == {}


def test_a_jump_of_which_nobody_tells_is_lost_and_put_down_to_its_fault() -> None:
    made = ledger(6)
    made.fault = "kill"
    receive(made, 1, 2, 5, 6)
    made.fault = "cut"
    made.settle(TOLD_WITHIN_S - 1)
    assert found(made) == {}, "there is still time to tell"
    made.settle(TOLD_WITHIN_S + 1)
    assert found(made) == {"lost": 2}
    assert made.counts["kill"]["lost"] == 2
    [complaint] = made.complaints
    assert "3, 4" in complaint


@pytest.mark.parametrize("first", ["told", "jump"])
def test_a_jump_of_which_the_client_is_told_is_not_lost(first: str) -> None:
    made = ledger(6)
    receive(made, 1, 2)
    if first == "told":
        made.told(1, [CHANNEL])
        receive(made, 5, 6)
    else:
        receive(made, 5)
        made.told(1, [CHANNEL])
        receive(made, 6)
    made.finish()
    assert found(made) == {"told": 2}


def test_only_the_channels_that_are_named_are_told() -> None:
    made = ledger(6)
    receive(made, 1, 2)
    made.told(1, ["other"])
    receive(made, 5, 6)
    made.finish()
    assert found(made) == {"lost": 2}


@pytest.mark.parametrize("told", [False, True], ids=["whole", "told"])
def test_a_number_that_comes_twice_is_doubled(told: bool) -> None:
    made = ledger(3)
    receive(made, 1, 2)
    if told:
        made.told(1, [CHANNEL])
    receive(made, 2, 3)
    made.finish()
    assert found(made) == {"doubled": 1}


def test_a_number_that_comes_late_is_out_of_order() -> None:
    made = ledger(4)
    receive(made, 1, 3)
    receive(made, 2, 4)
    assert found(made) == {"disordered": 1}


def test_a_number_of_unknown_end_may_come_late_or_never_but_not_twice() -> None:
    made = ledger(6, uncertain=(2, 4))
    receive(made, 1, 3, 2, 5, 6)
    made.finish()
    assert found(made) == {}
    receive(made, 2)
    assert found(made) == {"doubled": 1}


def test_a_client_that_hears_nothing_any_more_has_lost_the_last_number() -> None:
    made = ledger(6, uncertain=(6,))
    receive(made, 1, 2, 3, 4)
    assert made.waiting() == [(1, CHANNEL)]
    receive(made, 5)
    assert made.waiting() == [], "nobody knows whether the last one was published"
    made.numbers[CHANNEL].published(7, certain=True)
    made.finish()
    assert found(made) == {"lost": 1}


def test_a_client_that_heard_nothing_at_all_has_lost_the_last_number() -> None:
    made = ledger(1)
    made.finish()
    assert found(made) == {"lost": 1}
