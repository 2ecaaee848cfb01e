"""A follower of a numbered stream applies each change once and notices each gap."""

from hornet.core.positions import Position, StreamFollower


def following(epoch: str = "e", version: int = 5) -> StreamFollower[str]:
    follower: StreamFollower[str] = StreamFollower()
    assert follower.reset(Position(epoch, version), 0) == []
    return follower


def offer(follower: StreamFollower[str], epoch: str, version: int, *, is_empty: bool = False) -> bool:
    return follower.offer(Position(epoch, version), f"{epoch}{version}", is_empty=is_empty)


def test_before_the_first_snapshot_changes_wait_for_it() -> None:
    follower: StreamFollower[str] = StreamFollower()
    assert follower.is_stale
    assert not offer(follower, "e", 1)
    assert follower.reset(Position("e", 1), 0) == [(Position("e", 1), "e1")]
    assert not follower.is_stale
    assert not offer(follower, "e", 1), "it is in the snapshot"


def test_the_next_change_is_applied_and_a_known_one_is_not() -> None:
    follower = following()
    assert offer(follower, "e", 6)
    assert follower.position == Position("e", 6)
    assert not offer(follower, "e", 6)
    assert not offer(follower, "e", 1)
    assert not follower.is_stale


def test_after_a_gap_all_changes_wait_in_order() -> None:
    follower = following()
    assert not offer(follower, "e", 7)
    assert follower.is_stale
    assert not offer(follower, "e", 6), "late, and then out of order"
    assert [text for _, text in follower.reset(Position("e", 6), 0)] == ["e7", "e6"]
    assert offer(follower, "e", 7)


def test_another_epoch_is_followed_only_where_nothing_can_be_lost() -> None:
    assert offer(following("", 0), "e", 1)
    assert offer(following(), "f", 1, is_empty=True)
    assert not offer(following(), "f", 1)
    assert not offer(following(), "f", 2, is_empty=True)


def test_a_snapshot_that_was_read_before_a_loss_leaves_the_follower_stale() -> None:
    follower = following()
    follower.lose()
    before = follower.losses
    follower.lose()
    follower.reset(Position("e", 6), before)
    assert follower.is_stale
    follower.reset(Position("e", 7), follower.losses)
    assert not follower.is_stale
