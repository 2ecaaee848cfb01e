"""Members and their sessions: who is added, who is gone, and what a batch tells."""

import pytest

from hornet.core.errors import PeerError
from hornet.core.presence import MAX_PRESENCE_BYTES, Changes, Member, Roster, parse_member

ANN, BEN = Member("ann", {"name": "Ann"}), Member("ben")


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
    roster = Roster()
    roster.put("n1/a", ANN)
    assert roster.take_changes() == Changes(added=(ANN,))
    roster.put("n2/b", ANN)
    roster.remove("n1/a")
    assert roster.take_changes() == Changes()
    roster.remove("n2/b")
    assert roster.take_changes() == Changes(gone=(ANN,))
    assert (len(roster), roster.told) == (0, [])


def test_one_batch_has_all_that_happened_and_nothing_that_was_undone() -> None:
    roster = Roster()
    roster.merge({"a": ANN, "b": BEN})
    roster.remove("a")
    assert roster.take_changes() == Changes(added=(BEN,))
    roster.remove("b")
    roster.put("a", ANN)
    assert roster.take_changes() == Changes(added=(ANN,), gone=(BEN,))
    roster.remove("a")
    roster.put("c", ANN)
    assert not roster.take_changes()


def test_a_newcomer_is_told_what_was_told_to_the_others() -> None:
    roster = Roster()
    roster.put("a", ANN)
    assert roster.told == []
    roster.take_changes()
    roster.put("b", BEN)
    assert roster.told == [ANN]


def test_saying_the_same_again_changes_nothing() -> None:
    roster = Roster()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("a", ANN)
    roster.remove("unknown")
    roster.merge({"a": ANN})
    roster.replace({"a": ANN})
    assert not roster.take_changes()
    assert "a" in roster


def test_a_member_keeps_the_info_it_was_added_with_until_it_is_gone() -> None:
    roster = Roster()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("b", Member("ann", "other"))
    roster.remove("a")
    roster.take_changes()
    assert roster.told == [ANN]
    roster.remove("b")
    assert roster.take_changes() == Changes(gone=(ANN,))
    roster.put("c", Member("ann", "other"))
    assert roster.take_changes() == Changes(added=(Member("ann", "other"),))


def test_a_session_may_become_another_member() -> None:
    roster = Roster()
    roster.put("a", ANN)
    roster.take_changes()
    roster.put("a", BEN)
    assert roster.take_changes() == Changes(added=(BEN,), gone=(ANN,))


def test_the_whole_truth_replaces_what_was_known() -> None:
    roster = Roster()
    roster.merge({"a": ANN, "b": BEN})
    roster.take_changes()
    roster.replace({"c": BEN, "d": Member("cleo")})
    assert roster.take_changes() == Changes(added=(Member("cleo"),), gone=(ANN,))
