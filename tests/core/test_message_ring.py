"""The ring of what a node heard, compared with a model that keeps everything."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hornet.core.message_ring import ENTRY_BYTES, MessageRing, RingEntry

SOURCES = st.sampled_from(("a", "b", "c*"))
MAX_BYTES = 12 * ENTRY_BYTES
MAX_AGE_S = 10.0


def test_a_source_that_was_left_or_broken_without_a_message_is_not_whole() -> None:
    ring = MessageRing(max_bytes=MAX_BYTES, max_age_s=MAX_AGE_S)
    ring.hold("a")
    number = ring.number
    assert ring.since("a", number) == []
    ring.break_at(["a"])
    assert ring.since("a", number) is None
    number = ring.number
    assert ring.since("a", number) == []
    ring.release("a")
    ring.hold("a")
    assert ring.since("a", number) is None
    assert ring.since("a", ring.number) == []


class RingAgainstModel(RuleBasedStateMachine):
    """The model knows everything that each source heard since it was held, and since the last break."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = MessageRing(max_bytes=MAX_BYTES, max_age_s=MAX_AGE_S)
        self.now = 0.0
        self.cut = 0
        self.heard_by: dict[str, list[RingEntry]] = defaultdict(list)
        self.whole_from: dict[str, int] = {}
        self.times: dict[int, float] = {}
        self.sizes: list[int] = []
        """Of all messages that were ever added."""

    @rule(source=SOURCES)
    def hold(self, source: str) -> None:
        self.ring.hold(source)
        self.whole_from.setdefault(source, self.ring.number)
        self.sizes += [0] * (self.ring.number - len(self.sizes))

    @rule(source=SOURCES)
    def release(self, source: str) -> None:
        self.ring.release(source)
        self.whole_from.pop(source, None)
        self.heard_by.pop(source, None)

    @rule(source=SOURCES, is_recorded=st.booleans(), size=st.integers(0, 600))
    def add(self, source: str, is_recorded: bool, size: int) -> None:
        self.cut += is_recorded
        id = self.cut if is_recorded else 0
        if source not in self.whole_from:
            self.hold(source)
        number = self.ring.add(source, "topic", b"x" * size, id, self.cut, self.now)
        assert number == self.ring.number
        self.heard_by[source].append(RingEntry(number, "topic", b"x" * size, id, self.cut, source))
        self.times[number] = self.now
        self.sizes.append(size + ENTRY_BYTES)

    @rule(source=SOURCES)
    def break_at(self, source: str) -> None:
        self.ring.break_at([source])
        self.sizes.append(0)
        if source in self.whole_from:
            self.whole_from[source] = self.ring.number

    @rule(seconds=st.floats(0, MAX_AGE_S))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.ring.trim(self.now)

    @invariant()
    def an_answer_is_whole(self) -> None:
        for source in ("a", "b", "c*"):
            floor = self.ring.floor(source)
            for number in range(self.ring.number + 2):
                answer = self.ring.since(source, number)
                if answer is None:
                    assert floor is None or number < floor or number > self.ring.number
                    continue
                assert number >= self.whole_from[source]
                assert answer == [entry for entry in self.heard_by[source] if entry.number > number]

    @invariant()
    def nothing_is_forgotten_without_need(self) -> None:
        """What is young, and fits, is kept."""
        for entry in (entry for entries in self.heard_by.values() for entry in entries):
            fits = sum(self.sizes[entry.number - 1 :]) <= MAX_BYTES
            is_young = self.times[entry.number] >= self.now - MAX_AGE_S
            if fits and is_young and entry.number > self.whole_from[entry.source]:
                answer = self.ring.since(entry.source, entry.number - 1)
                assert answer is not None
                assert answer[0] == entry

    @invariant()
    def the_bytes_are_those_of_the_entries_and_bounded(self) -> None:
        held = [
            entry
            for source in self.ring.sources()
            for entry in (self.ring.since(source, self.ring.floor(source) or 0) or [])
        ]
        assert sum(len(entry.payload) + ENTRY_BYTES for entry in held) <= self.ring.bytes <= MAX_BYTES


TestRing = RingAgainstModel.TestCase


def test_a_ring_without_sources_has_no_bytes() -> None:
    ring = MessageRing(max_bytes=MAX_BYTES, max_age_s=MAX_AGE_S)
    for source in ("a", "b"):
        ring.hold(source)
        ring.add(source, source, b"{}", 0, 0, 0.0)
    assert ring.bytes == 2 * (2 + ENTRY_BYTES)
    assert "a" in ring
    ring.release("a")
    ring.release("b")
    assert ring.bytes == 0
    assert "a" not in ring
    ring.trim(MAX_AGE_S * 2)
    assert ring.number == 4
