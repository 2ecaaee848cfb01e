"""What a session that comes back missed: from the ring, from the history, or not for certain."""

from dataclasses import replace

import pytest

from hornet.broker.history import HistoryAnswer, RecordedMessage, TopicHistory
from hornet.broker.keys import channel_topic, user_topic
from hornet.core.history import Offset, StreamPosition
from hornet.core.message_ring import MessageRing, RingEntry
from hornet.core.session_records import HeldChannel, SessionRecord
from hornet.flows.recovery.claims import PidClaim
from hornet.flows.recovery.handover import HandedOver
from hornet.flows.recovery.restoration import MissReason, Restoration, begin, offsets_of

NODE, OTHER, EPOCH = "n1", "n2", "e1"
S = 1_000_000
START = Offset(EPOCH, 100 * S, OTHER, 7)
NEWS = channel_topic("news")
RECORD = SessionRecord("sid", channels={"news": HeldChannel(1, f"{EPOCH}-5-{OTHER}-1")})
MAX_BYTES = 100_000
HELD = 1
"""The number of a fresh ring that holds one topic."""


def restoration(start: Offset | None = START, record: SessionRecord = RECORD) -> Restoration:
    return begin(claim=PidClaim("d"), record=record, was_away=True, start=start, user_channels=(), began=0)


def ring_with(*ids: int) -> MessageRing:
    ring = MessageRing(max_bytes=1_000_000, max_age_s=60)
    ring.hold(NEWS)
    for id in ids:
        ring.add(NEWS, NEWS, b'{"type":"%d"}' % id, id, id or 100 * S, 0)
    return ring


def history(*ids: int, whole: bool = True, recorded: bool = True, plain_at: int = 0) -> TopicHistory:
    entries = [RecordedMessage(id, b'{"type":"%d"}' % id, 0) for id in ids]
    return TopicHistory(entries, whole, ids[-1] if ids else 0, recorded, plain_at)


def answer(topic: TopicHistory, last: int = 200 * S, epoch: str = EPOCH) -> HistoryAnswer:
    return HistoryAnswer(StreamPosition(epoch, last), [topic])


def former_entry(number: int, id: int = 0) -> RingEntry:
    return RingEntry(number, NEWS, b'{"type":"%d"}' % number, id, id or 100 * S, NEWS)


def collected(back: Restoration, ring: MessageRing) -> list[int]:
    return [entry.id for entry in back.collect(ring, MAX_BYTES)]


def test_the_ring_has_all_since_an_offset_of_this_node() -> None:
    ring = ring_with(101 * S, 0, 102 * S)
    assert collected(restoration(Offset(EPOCH, 101 * S, NODE, HELD + 1)), ring) == [0, 102 * S]


def test_the_history_and_the_ring_overlap_without_doubles() -> None:
    back = restoration()
    ring = ring_with(104 * S)
    back.joined[NEWS] = HELD
    back.until = 104 * S
    back.add_history(answer(history(99 * S, 101 * S, 104 * S, 105 * S)), [NEWS])
    assert collected(back, ring) == [101 * S, 104 * S]
    assert back.missed == {}


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (answer(history(101 * S, whole=False)), MissReason.HISTORY_TOO_SHORT),
        (answer(history(recorded=False)), MissReason.PLAIN_MESSAGES),
        (answer(history(plain_at=101 * S)), MissReason.PLAIN_MESSAGES),
        (answer(history(plain_at=95 * S)), MissReason.PLAIN_MESSAGES),
        (answer(history(), last=99 * S), MissReason.FUTURE_OFFSET),
        (answer(history(), epoch="e2"), MissReason.REDIS_LOST_DATA),
        (answer(history(), epoch="0"), MissReason.HISTORY_UNAVAILABLE),
        (answer(history(101 * S, plain_at=80 * S)), None),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, MissReason) else "answer",
)
def test_a_topic_is_whole_only_where_that_is_certain(read: HistoryAnswer, reason: MissReason | None) -> None:
    back = restoration()
    back.joined[NEWS] = HELD
    back.until = 200 * S
    back.add_history(read, [NEWS])
    entries = collected(back, ring_with())
    assert back.missed.get(NEWS) == reason
    assert entries == ([101 * S] if reason is None else [])


def test_a_ring_that_was_trimmed_is_not_taken_for_the_whole() -> None:
    ring = ring_with(101 * S, 102 * S)
    ring.break_at([NEWS])
    back = restoration(Offset(EPOCH, 101 * S, NODE, HELD + 1))
    assert collected(back, ring) == []
    assert back.missed == {NEWS: MissReason.PLAIN_MESSAGES}


def test_more_than_a_session_gets_at_once_is_not_sent_in_part() -> None:
    back = restoration(Offset(EPOCH, 100 * S, NODE, HELD))
    assert back.collect(ring_with(101 * S, 102 * S), 200) == []
    assert back.missed == {NEWS: MissReason.REPLAY_TOO_BIG}


def test_a_channel_counts_from_where_the_session_entered_it() -> None:
    late = replace(RECORD, channels={"news": HeldChannel(1, f"{EPOCH}-{102 * S}-{NODE}-{HELD + 2}")})
    back = restoration(Offset(EPOCH, 100 * S, NODE, HELD), late)
    assert collected(back, ring_with(101 * S, 102 * S, 103 * S)) == [103 * S]


def test_a_client_without_an_offset_begins_where_its_session_did() -> None:
    assert restoration(None).starts == {NEWS: Offset(EPOCH, 5, OTHER, 1)}
    bare = SessionRecord("sid", user="42")
    back = restoration(None, bare)
    assert back.starts == {}
    assert back.missed == {user_topic("42"): MissReason.BAD_OFFSET}


def test_channels_of_the_user_are_as_they_are_now() -> None:
    record = replace(
        RECORD,
        user="42",
        channels={"own": HeldChannel(1, ""), "gone": HeldChannel(2, ""), "both": HeldChannel(3, "")},
    )
    back = begin(
        claim=PidClaim("d"), record=record, was_away=True, start=START, user_channels=("new",), began=0
    )
    assert {name: int(by) for name, by in back.channels.items()} == {"own": 1, "both": 1}


def test_the_offset_after_each_message_leads_on_from_it() -> None:
    ring = ring_with(101 * S, 102 * S)
    back = restoration()
    back.joined[NEWS] = HELD + 1
    back.until = 101 * S
    back.add_history(answer(history(101 * S, 102 * S)), [NEWS])
    entries = back.collect(ring, MAX_BYTES)
    now = Offset(EPOCH, 103 * S, NODE, 9)
    assert offsets_of([*entries, *entries[1:]], START, now) == [
        Offset(EPOCH, 101 * S, OTHER, 7),
        Offset(EPOCH, 102 * S, NODE, HELD + 2),
        now,
    ]


def test_what_was_handed_over_comes_before_what_this_node_heard_from_there_on() -> None:
    back = restoration()
    ring = ring_with(103 * S, 0, 104 * S, 0)  # the first was published before the hand-over
    former = [former_entry(8, 101 * S), former_entry(9), former_entry(10, 103 * S), former_entry(12)]
    back.add_handed_over(HandedOver({NEWS: former}, HELD + 2))
    entries = back.collect(ring, MAX_BYTES)
    assert [entry.id for entry in entries] == [101 * S, 0, 103 * S, 0, 104 * S, 0]
    assert back.missed == {}


def test_an_offset_in_the_middle_of_a_replay_leads_to_the_rest_of_it() -> None:
    """Up to the end of what was handed over it is an offset of the former node, and then of this one."""
    ring = ring_with(0, 104 * S, 0)
    former = [former_entry(8, 101 * S), former_entry(9), former_entry(10, 103 * S), former_entry(12)]
    handed = HandedOver({NEWS: former}, HELD)
    back = restoration()
    back.add_handed_over(handed)
    entries = back.collect(ring, MAX_BYTES)
    now = Offset(EPOCH, 104 * S, NODE, ring.number)
    offsets = offsets_of(entries, START, now)
    assert [offset.node for offset in offsets] == [OTHER] * 4 + [NODE] * 3
    assert offsets[-1] == now
    for place, offset in enumerate(offsets, 1):
        again = restoration(offset)
        if offset.node == OTHER:
            left = [entry for entry in former if entry.number > offset.number]
            again.add_handed_over(HandedOver({NEWS: left}, HELD))
        assert again.collect(ring, MAX_BYTES) == entries[place:]


def test_what_was_handed_over_is_told_where_this_node_does_not_go_on_from_there() -> None:
    back = restoration()
    ring = ring_with(101 * S)
    back.add_handed_over(HandedOver({NEWS: [former_entry(8)]}, HELD))
    ring.break_at([NEWS])
    assert back.collect(ring, MAX_BYTES) == []
    assert back.missed == {NEWS: MissReason.PLAIN_MESSAGES}


def test_a_channel_counts_from_where_the_session_entered_it_on_another_node_too() -> None:
    late = replace(RECORD, channels={"news": HeldChannel(1, f"{EPOCH}-{100 * S}-{OTHER}-9")})
    assert restoration(START, late).starts == {NEWS: START._replace(number=9)}
