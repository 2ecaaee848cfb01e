"""Members of a channel, and how a node follows them through gaps, repetitions, and the loss of Redis."""

import pytest

from hornet.core.errors import PeerError
from hornet.core.presence import (
    FILLED_PER_BATCH,
    MAX_PRESENCE_BYTES,
    Member,
    MemberChanges,
    MemberList,
    PresenceNotice,
    PresenceSnapshot,
    PresenceView,
    Roster,
    parse_member,
)

MAX_LISTED = 250


def roster_of(max_listed: int = MAX_LISTED) -> Roster:
    return Roster(max_listed=lambda: max_listed)


def view_of() -> PresenceView:
    return PresenceView(max_listed=lambda: MAX_LISTED)


ANN, BEN, CLEO = Member("ann", {"name": "Ann"}), Member("ben"), Member("cleo")


@pytest.mark.parametrize(
    ("text", "user", "member"),
    [
        ('{"id":"ann","info":{"name":"Ann"}}', None, ANN),
        ('{"id":"ann","info":{"name":"Ann"}}', "someone", ANN),
        ('{"info":{"name":"Ann"}}', "ann", ANN),
        ("{}", "ben", BEN),
        ('{"id":7}', None, Member("7")),
        ('{"id":"deep","info":[[]]}', None, Member("deep", [[]])),
        ('{"id":"é","info":[null,1.5]}', None, Member("é", [None, 1.5])),
        (
            '{"username":"Ann","avatar":"/a.png"}',
            "sid",
            Member("sid", {"username": "Ann", "avatar": "/a.png"}),
        ),
        ('{"id":"ann","username":"Ann"}', "sid", Member("ann", {"username": "Ann"})),
        ('{"id":"ann","info":null,"more":1}', "sid", Member("ann")),
        ("[]", "sid", Member("sid")),
    ],
)
def test_presence_data_names_a_member(text: str, user: str | None, member: Member) -> None:
    assert parse_member(text, user) == member
    assert parse_member(text.encode(), user) == member


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "[]",
        "null",
        "{}",
        '{"id":""}',
        '{"id":null}',
        '{"id":1.5}',
        '{"id":true}',
        '{"id":["ann"]}',
        '{"id":"\\ud800"}',
        '{"id":"ann","info":"\\ud800"}',
        '{"id":"ann","info":NaN}',
        '{"id":"ann","info":1e999}',
        '{"id":"ann","info":' + "[" * 1000 + "]" * 1000 + "}",
        '{"id":"ann","info":' + "[" * 32 + "]" * 32 + "}",
        '{"id":"' + "a" * 257 + '"}',
        '{"id":"ann","info":"' + "a" * MAX_PRESENCE_BYTES + '"}',
        "\ud800",
    ],
)
def test_other_data_is_refused_with_one_code(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        parse_member(text)
    assert refused.value.code == "BAD_PRESENCE"


def test_a_member_is_json_without_what_it_lacks() -> None:
    assert ANN.as_json() == {"id": "ann", "info": {"name": "Ann"}}
    assert BEN.as_json() == {"id": "ben"}


def test_a_member_is_added_with_its_first_session_and_gone_with_its_last() -> None:
    roster = roster_of()
    roster.put("n1/a", ANN)
    assert roster.take_changes() == MemberChanges(added=(ANN,))
    roster.put("n2/b", ANN)
    roster.remove("n1/a")
    assert roster.take_changes() == MemberChanges()
    roster.remove("n2/b")
    assert roster.take_changes() == MemberChanges(gone=(ANN,))
    assert (len(roster), roster.listed) == (0, MemberList((), 0))


def test_one_batch_has_all_that_happened_and_nothing_that_was_undone() -> None:
    roster = roster_of()
    roster.merge({"a": ANN, "b": BEN})
    roster.remove("a")
    assert roster.take_changes() == MemberChanges(added=(BEN,))
    roster.remove("b")
    roster.put("a", ANN)
    assert roster.take_changes() == MemberChanges(added=(ANN,), gone=(BEN,))
    roster.remove("a")
    roster.put("c", ANN)
    assert not roster.take_changes()


def test_a_newcomer_is_told_what_was_told_to_the_others() -> None:
    roster = roster_of()
    roster.put("a", ANN)
    assert not roster.listed.members
    roster.take_changes()
    roster.put("b", BEN)
    assert roster.listed.members == (ANN,)


def test_saying_the_same_again_changes_nothing() -> None:
    roster = roster_of()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("a", ANN)
    roster.remove("unknown")
    roster.merge({"a": ANN})
    roster.replace({"a": ANN})
    assert not roster.take_changes()
    assert "a" in roster


def test_a_member_keeps_the_info_it_was_added_with_until_it_is_gone() -> None:
    roster = roster_of()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("b", Member("ann", "other"))
    roster.remove("a")
    roster.take_changes()
    assert roster.listed.members == (ANN,)
    roster.remove("b")
    assert roster.take_changes() == MemberChanges(gone=(ANN,))
    roster.put("c", Member("ann", "other"))
    assert roster.take_changes() == MemberChanges(added=(Member("ann", "other"),))


def test_a_session_may_become_another_member() -> None:
    roster = roster_of()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("a", BEN)
    assert roster.take_changes() == MemberChanges(added=(BEN,), gone=(ANN,))


def test_the_whole_truth_replaces_what_was_known() -> None:
    roster = roster_of()
    roster.merge({"a": ANN, "b": BEN})
    roster.take_changes()
    roster.replace({"c": BEN, "d": Member("cleo")})
    assert roster.take_changes() == MemberChanges(added=(Member("cleo"),), gone=(ANN,))


def crowd(*numbers: int) -> dict[str, Member]:
    return {f"session {number}": Member(f"{number:04}") for number in numbers}


def test_a_crowd_lists_those_who_came_first_and_counts_all() -> None:
    roster = roster_of(max_listed=100)
    roster.merge(crowd(*range(90)))
    assert len(roster.take_changes().added) == 90
    assert not roster.is_crowd
    roster.merge(crowd(*range(90, 300)))
    assert roster.take_changes().added == tuple(crowd(*range(90, 100)).values())
    assert roster.listed == MemberList(tuple(crowd(*range(100)).values()), 300)
    assert roster.is_crowd
    assert not roster.has_changes


def test_a_crowd_is_told_only_of_changes_to_listed_members() -> None:
    roster = roster_of(max_listed=2)
    roster.merge(crowd(1, 2, 3, 4))
    roster.take_changes()
    roster.remove("session 4")
    assert not roster.take_changes()
    assert roster.count == 3
    roster.remove("session 1")
    assert roster.take_changes() == MemberChanges(added=(Member("0003"),), gone=(Member("0001"),))
    assert not roster.is_crowd, "all are listed again"


def test_a_crowd_fills_free_places_a_few_at_a_time_until_all_members_fit() -> None:
    size = 4 * FILLED_PER_BATCH
    roster = roster_of(max_listed=size)
    roster.merge(crowd(*range(3 * size)))
    while roster.has_changes:
        roster.take_changes()
    assert len(roster.listed.members) == size
    roster.remove_all(crowd(*range(size)))
    changes = roster.take_changes()
    assert (len(changes.gone), len(changes.added)) == (size, FILLED_PER_BATCH)
    assert roster.has_changes, "the next batch goes on"
    roster.remove_all(crowd(*range(size, 2 * size + 10)))
    changes = roster.take_changes()
    assert (len(changes.gone), len(changes.added)) == (FILLED_PER_BATCH, size - 10)
    assert roster.listed == MemberList(changes.added, size - 10)


def test_a_member_that_came_and_left_unlisted_is_never_told() -> None:
    roster = roster_of(max_listed=1)
    roster.merge(crowd(1, 2))
    roster.take_changes()
    roster.put("other session", Member("0002"))
    roster.remove("session 2")
    assert not roster.take_changes()
    assert roster.count == 2
    roster.remove("other session")
    assert not roster.take_changes()
    assert roster.count == 1


def test_pages_have_every_member_once_in_the_order_of_their_ids() -> None:
    roster = roster_of(max_listed=3)
    roster.merge(crowd(*range(9, -1, -1)))
    assert roster.page("", 4) == MemberList((), 0), "not announced yet"
    roster.take_changes()
    first = roster.page("", 4)
    assert first == MemberList(tuple(crowd(0, 1, 2, 3).values()), 10, "0003")
    assert first.as_json()["next"] == "0003"
    assert first.next is not None
    roster.remove("session 3")
    roster.take_changes()
    assert roster.page(first.next, 4) == MemberList(tuple(crowd(4, 5, 6, 7).values()), 9, "0007")
    assert roster.page("0007", 4) == MemberList(tuple(crowd(8, 9).values()), 9)


def ids(view: PresenceView) -> list[str]:
    view.roster.take_changes()
    return sorted(member.id for member in view.roster.listed.members)


def following(epoch: str = "e", version: int = 5, **sessions: Member) -> PresenceView:
    view = view_of()
    view.reset(PresenceSnapshot(epoch, version, sessions))
    return view


def test_nothing_is_known_before_the_first_snapshot() -> None:
    view = view_of()
    view.apply(PresenceNotice("e", 1, {"a": ANN}))
    assert view.is_stale
    assert ids(view) == []
    view.reset(PresenceSnapshot("e", 1, {"a": ANN}))
    assert not view.is_stale
    assert ids(view) == ["ann"]


def test_each_version_in_turn_is_followed() -> None:
    view = following(a=ANN)
    view.apply(PresenceNotice("e", 6, {"b": BEN}))
    view.apply(PresenceNotice("e", 7, {"c": CLEO}, ("a",)))
    assert ids(view) == ["ben", "cleo"]
    assert not view.is_stale


def test_a_version_that_is_known_changes_nothing() -> None:
    view = following(a=ANN)
    for version in (1, 5):
        view.apply(PresenceNotice("e", version, {"b": BEN}, ("a",)))
    assert ids(view) == ["ann"]
    assert not view.is_stale


def test_a_gap_needs_a_snapshot_and_tells_only_the_difference() -> None:
    view = following(a=ANN, b=BEN)
    assert ids(view) == ["ann", "ben"]
    view.apply(PresenceNotice("e", 7, {"c": CLEO}))
    assert view.is_stale
    view.apply(PresenceNotice("e", 8, gone=("a",)))
    view.reset(PresenceSnapshot("e", 8, {"b": BEN, "c": CLEO}))
    assert view.roster.take_changes() == MemberChanges(added=(CLEO,), gone=(ANN,))


def test_an_epoch_that_begins_without_members_is_followed_from_its_first_version() -> None:
    view = following("", 0)
    view.apply(PresenceNotice("e", 1, {"a": ANN}))
    view.apply(PresenceNotice("e", 2, gone=("a",)))
    view.apply(PresenceNotice("f", 1, {"b": BEN}))
    assert not view.is_stale
    assert ids(view) == ["ben"]


def test_what_is_told_while_a_snapshot_is_read_is_not_missed() -> None:
    view = following(a=ANN)
    view.apply(PresenceNotice("e", 7, {"b": BEN}))
    view.apply(PresenceNotice("e", 8, {"c": CLEO}))
    view.reset(PresenceSnapshot("e", 7, {"a": ANN, "b": BEN}))
    assert not view.is_stale
    assert ids(view) == ["ann", "ben", "cleo"]


def test_a_snapshot_that_was_read_before_a_loss_does_not_make_up_for_it() -> None:
    view = following(a=ANN)
    view.lose()
    before = view.losses
    view.lose()
    view.reset(PresenceSnapshot("e", 6, {"a": ANN}), before)
    assert view.is_stale
    view.reset(PresenceSnapshot("e", 7, {"b": BEN}), view.losses)
    assert not view.is_stale
    assert ids(view) == ["ben"]


def test_after_redis_lost_its_data_no_member_is_removed_before_the_nodes_had_their_time() -> None:
    view = following(a=ANN, b=BEN)
    assert ids(view) == ["ann", "ben"]
    view.apply(PresenceNotice("f", 1, {"a": ANN}))
    assert view.is_stale
    view.reset(PresenceSnapshot("f", 1, {"a": ANN}))
    assert view.is_settling
    view.apply(PresenceNotice("f", 2, {"c": CLEO}))
    assert view.roster.take_changes() == MemberChanges(added=(CLEO,))
    view.apply(PresenceNotice("f", 4))
    assert view.is_stale
    view.reset(PresenceSnapshot("f", 4, {"a": ANN, "c": CLEO}))
    assert ids(view) == ["ann", "ben", "cleo"], "a gap in the meantime decides nothing"
    view.settle()
    assert view.is_stale
    view.reset(PresenceSnapshot("f", 4, {"a": ANN, "c": CLEO}), view.losses)
    assert view.roster.take_changes() == MemberChanges(gone=(BEN,))
    assert not view.is_settling
