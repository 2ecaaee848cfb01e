"""One order for the history and what nodes heard, compared with the order in which it was published."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from hornet.core.merge import merge, recorded_entry
from hornet.core.message_ring import RingEntry

TOPICS = ("a", "b", "c")


@dataclass(frozen=True)
class Publish:
    """One publish of the model: Redis has them in one order, which is that of ``place``."""

    place: int
    topic: str
    id: int

    @property
    def payload(self) -> bytes:
        return str(self.place).encode()


@st.composite
def logs(draw: st.DrawFn) -> list[Publish]:
    kinds = draw(st.lists(st.tuples(st.sampled_from(TOPICS), st.booleans(), st.integers(1, 3)), max_size=30))
    log, id = [], 0
    for place, (topic, is_recorded, step) in enumerate(kinds):
        id += step * is_recorded
        log.append(Publish(place, topic, id if is_recorded else 0))
    return log


@dataclass
class HeardBy:
    """A node of the model, which hears each topic from a place on, up to another."""

    starts: dict[str, int]
    end: int
    cut: int = 0

    def entries(self, log: list[Publish]) -> list[RingEntry]:
        entries: list[RingEntry] = []
        cut = self.cut
        for publish in log[: self.end]:
            if publish.place >= self.starts[publish.topic]:
                cut = max(cut, publish.id)
                number = len(entries) + 1
                entries.append(
                    RingEntry(number, publish.topic, publish.payload, publish.id, cut, publish.topic)
                )
        return entries


def recorded(log: list[Publish]) -> list[RingEntry]:
    return [recorded_entry(each.topic, each.topic, each.payload, each.id) for each in log if each.id]


def places(entries: list[RingEntry]) -> list[int]:
    return [int(entry.payload) for entry in entries]


PLACES = st.integers(0, 30)


@given(logs(), st.fixed_dictionaries(dict.fromkeys(TOPICS, PLACES)), st.randoms(use_true_random=False))
def test_nothing_is_missing_or_doubled_and_each_topic_is_in_order(
    log: list[Publish], starts: dict[str, int], random: object
) -> None:
    received = HeardBy(starts, len(log)).entries(log)
    history = recorded(log)
    random.shuffle(history)  # type: ignore[attr-defined]  # hypothesis has no type for it
    merged = merge(history, received)
    expected = {each.place for each in log if each.id or each.place >= starts[each.topic]}
    assert sorted(places(merged)) == sorted(expected)
    for topic in TOPICS:
        of_topic = places([entry for entry in merged if entry.topic == topic])
        assert of_topic == sorted(of_topic)
    ids = [entry.id for entry in merged if entry.id]
    assert ids == sorted(ids)
    plain = places([entry for entry in merged if not entry.id])
    assert plain == sorted(plain)


@given(logs(), PLACES, PLACES)
def test_two_nodes_of_which_the_second_goes_on_where_the_first_ended_give_the_order_of_redis(
    log: list[Publish], since: int, mark: int
) -> None:
    """The mark is what both nodes hear at the same moment of Redis; the first node heard all topics."""
    since = min(since, len(log))
    mark = min(max(since, mark), len(log))
    before = max((each.id for each in log[:since]), default=0)
    first = HeardBy(dict.fromkeys(TOPICS, since), mark, cut=before).entries(log)
    second = HeardBy(dict.fromkeys(TOPICS, mark), len(log)).entries(log)
    history = [entry for entry in recorded(log) if entry.id > before]
    assert places(merge(history, [*first, *second])) == list(range(since, len(log)))


@given(logs(), PLACES)
def test_what_the_node_has_not_heard_yet_is_left_to_it(log: list[Publish], end: int) -> None:
    """The history was read later than the last message that the node heard."""
    end = min(end, len(log))
    received = HeardBy(dict.fromkeys(TOPICS, 0), end).entries(log)
    cut = max((entry.cut for entry in received), default=0)
    assert places(merge(recorded(log), received, until=cut)) == list(range(end))


@given(logs())
def test_a_message_counts_once_for_each_source_that_heard_it(log: list[Publish]) -> None:
    by_name = HeardBy(dict.fromkeys(TOPICS, 0), len(log)).entries(log)
    twice = [copy for entry in by_name for copy in (entry, entry._replace(source="glob*"))]
    history = recorded(log)
    history += [entry._replace(source="glob*") for entry in history]
    merged = merge([*history, *history], twice)
    for source in (*TOPICS, "glob*"):
        of_source = places([entry for entry in merged if entry.source == source])
        assert of_source == [each.place for each in log if source in (each.topic, "glob*")]
