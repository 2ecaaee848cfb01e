"""A node follows the truth through gaps, repetitions, and its loss."""

from hornet.core.presence import Changes, Member
from hornet.core.presence_view import Notice, Snapshot, View

ANN, BEN, CLEO = Member("ann"), Member("ben"), Member("cleo")


def ids(view: View) -> list[str]:
    view.roster.take_changes()
    return sorted(member.id for member in view.roster.told)


def following(epoch: str = "e", version: int = 5, **sessions: Member) -> View:
    view = View()
    view.reset(Snapshot(epoch, version, sessions))
    return view


def test_nothing_is_known_before_the_first_snapshot() -> None:
    view = View()
    view.apply(Notice("e", 1, {"a": ANN}))
    assert view.is_stale
    assert ids(view) == []
    view.reset(Snapshot("e", 1, {"a": ANN}))
    assert not view.is_stale
    assert ids(view) == ["ann"]


def test_each_version_in_turn_is_followed() -> None:
    view = following(a=ANN)
    view.apply(Notice("e", 6, {"b": BEN}))
    view.apply(Notice("e", 7, {"c": CLEO}, ("a",)))
    assert ids(view) == ["ben", "cleo"]
    assert not view.is_stale


def test_a_version_that_is_known_changes_nothing() -> None:
    view = following(a=ANN)
    for version in (1, 5):
        view.apply(Notice("e", version, {"b": BEN}, ("a",)))
    assert ids(view) == ["ann"]
    assert not view.is_stale


def test_a_gap_needs_a_snapshot_and_tells_only_the_difference() -> None:
    view = following(a=ANN, b=BEN)
    assert ids(view) == ["ann", "ben"]
    view.apply(Notice("e", 7, {"c": CLEO}))
    assert view.is_stale
    view.apply(Notice("e", 8, gone=("a",)))
    view.reset(Snapshot("e", 8, {"b": BEN, "c": CLEO}))
    assert view.roster.take_changes() == Changes(added=(CLEO,), gone=(ANN,))


def test_an_epoch_that_begins_when_nobody_was_there_is_followed_from_its_first_version() -> None:
    view = following("", 0)
    view.apply(Notice("e", 1, {"a": ANN}))
    view.apply(Notice("e", 2, gone=("a",)))
    view.apply(Notice("f", 1, {"b": BEN}))
    assert not view.is_stale
    assert ids(view) == ["ben"]


def test_what_is_told_while_a_snapshot_is_read_is_not_missed() -> None:
    view = following(a=ANN)
    view.apply(Notice("e", 7, {"b": BEN}))
    view.apply(Notice("e", 8, {"c": CLEO}))
    view.reset(Snapshot("e", 7, {"a": ANN, "b": BEN}))
    assert not view.is_stale
    assert ids(view) == ["ann", "ben", "cleo"]


def test_a_snapshot_that_was_read_before_a_loss_does_not_make_up_for_it() -> None:
    view = following(a=ANN)
    view.lose()
    before = view.losses
    view.lose()
    view.reset(Snapshot("e", 6, {"a": ANN}), before)
    assert view.is_stale
    view.reset(Snapshot("e", 7, {"b": BEN}), view.losses)
    assert not view.is_stale
    assert ids(view) == ["ben"]


def test_when_redis_lost_its_data_nobody_is_gone_before_the_nodes_had_their_time() -> None:
    view = following(a=ANN, b=BEN)
    assert ids(view) == ["ann", "ben"]
    view.apply(Notice("f", 1, {"a": ANN}))
    assert view.is_stale
    view.reset(Snapshot("f", 1, {"a": ANN}))
    assert view.is_settling
    view.apply(Notice("f", 2, {"c": CLEO}))
    assert view.roster.take_changes() == Changes(added=(CLEO,))
    view.apply(Notice("f", 4))
    assert view.is_stale
    view.reset(Snapshot("f", 4, {"a": ANN, "c": CLEO}))
    assert ids(view) == ["ann", "ben", "cleo"], "a gap in the meantime decides nothing"
    view.settle()
    assert view.is_stale
    view.reset(Snapshot("f", 4, {"a": ANN, "c": CLEO}), view.losses)
    assert view.roster.take_changes() == Changes(gone=(BEN,))
    assert not view.is_settling
