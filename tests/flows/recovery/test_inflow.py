"""The inflow on a real Valkey. A test lets messages on the way to it get lost, or come twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hornet.broker.client import connect, connect_subscriber, parse_url
from hornet.broker.history import HistoryStore
from hornet.broker.keys import channel_topic
from hornet.broker.node_messages import NodeMessages
from hornet.broker.subscriber import Subscriber
from hornet.broker.topic_router import TopicRouter
from hornet.core.history import StreamPosition
from hornet.core.message_ring import MessageRing
from hornet.flows.recovery import inflow as inflow_module
from hornet.flows.recovery import repairs as repairs_module
from hornet.flows.recovery.gaps import GapReason
from hornet.flows.recovery.handover import Handover
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.plain_notes import PlainNotes
from hornet.flows.recovery.repairs import RepairOutcome, Repairs
from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.recovery.publishing import DEEP, Recording, recording
from tests.resilience.strait import Strait

A, B = channel_topic("a"), channel_topic("b")


class Notices:
    """Keeps what clients would be told."""

    def __init__(self) -> None:
        self.all: list[tuple[list[str], GapReason]] = []

    def tell(self, sources: Collection[str], reason: GapReason) -> None:
        if sources:
            self.all.append((sorted(sources), reason))


class Receiving:
    """What of a node receives messages, from the connection to the flows."""

    def __init__(self, url: str, commands_url: str, name: str) -> None:
        self.client = connect(parse_url(commands_url or url), 2.0)
        self.delivered: list[tuple[str, str]] = []
        self.offsets: list[str] = []
        self.lost: set[str] = set()
        self.twice: set[str] = set()
        self.notices = Notices()
        self.router = TopicRouter()
        self.subscriber = Subscriber(
            connect=lambda attempt: connect_subscriber(parse_url(url), 2.0, attempt),
            receive=self._receive,
            receive_match=self._receive_match,
            heartbeat_s=10,
        )
        history = HistoryStore(self.client, DEEP)
        messages = NodeMessages(self.client, name)
        plain = PlainNotes(history.note_plain)
        self.inflow = Inflow(
            node=name,
            ring=MessageRing(max_bytes=1 << 20, max_age_s=60),
            set_offset=self.offsets.append,
            note_plain=plain.add,
        )
        self.has_offsets = True
        self.repairs = Repairs(
            inflow=self.inflow,
            history=history,
            messages=messages,
            plain=plain,
            notices=self.notices,
            has_offsets=lambda: self.has_offsets,
        )
        self.subscriber.on_connection(self.repairs.on_connection)
        self.subscriber.on_holding(self.repairs.on_holding)
        self.router.on(messages.topic, messages.receive)
        self.router.on_prefix("", self.inflow.through("", self._deliver))
        self.router.on_other_globs(self.inflow.through_match(self._deliver_match))
        self.messages = messages
        self.handover = Handover(node=name, inflow=self.inflow, messages=messages, is_offered=True)

    def _fate(self, payload: bytes) -> int:
        """Return how many times a message arrives."""
        for types, times in ((self.lost, 0), (self.twice, 2)):
            if any(f'"type": "{kind}"'.encode() in payload for kind in types):
                return times
        return 1

    def _receive(self, topic: str, payload: bytes) -> None:
        for _ in range(self._fate(payload)):
            self.router.receive(topic, payload)

    def _receive_match(self, glob: str, topic: str, payload: bytes) -> None:
        for _ in range(self._fate(payload)):
            self.router.receive_match(glob, topic, payload)

    def _deliver(self, topic: str, payload: bytes) -> None:
        self.delivered.append((topic, _type(payload)))

    def _deliver_match(self, glob: str, topic: str, payload: bytes) -> None:
        self.delivered.append((f"{glob} {topic}", _type(payload)))

    async def expect(self, *expected: tuple[str, str]) -> None:
        """Wait until exactly these messages are delivered."""

        async def delivered() -> list[tuple[str, str]]:
            return self.delivered

        await eventually(delivered, list(expected))

    @property
    def outcomes(self) -> dict[RepairOutcome, int]:
        return {outcome: count for outcome, count in self.repairs.outcomes.items() if count}


def _type(payload: bytes) -> str:
    message = json.loads(payload)
    return str(message["type"] if isinstance(message, dict) else message)


@asynccontextmanager
async def receiving(url: str, commands_url: str = "", name: str = "me") -> AsyncIterator[Receiving]:
    node = Receiving(url, commands_url, name)
    tasks = [
        asyncio.create_task(run()) for run in (node.subscriber.run, node.repairs.run, node.repairs.run_marks)
    ]
    try:
        await node.subscriber.subscribe(node.messages.topic)
        await node.repairs.start()
        yield node
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await node.handover.close()
        await node.client.aclose()


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[Recording]:
    async with recording(valkey.url) as backend:
        yield backend


@pytest.fixture
async def node(valkey: Valkey, backend: Recording) -> AsyncIterator[Receiving]:
    del backend  # it makes the history
    async with receiving(valkey.url) as node:
        await node.subscriber.subscribe(A)
        await node.subscriber.subscribe(B)
        yield node


def of(topic: str, *types: str) -> list[tuple[str, str]]:
    return [(topic, type) for type in types]


async def record(backend: Recording, topic: str, *types: str) -> None:
    await backend.record(topic, *({"type": type} for type in types))


async def test_two_that_wait_for_a_mark_at_once_both_get_one(valkey: Valkey) -> None:
    async with receiving(valkey.url) as node:
        last, same = await asyncio.wait_for(
            asyncio.gather(node.repairs.marks.catch_up(), node.repairs.marks.catch_up()), DEADLINE_S
        )
        assert last == same


async def test_recorded_and_plain_messages_pass_in_order_with_an_offset_each(
    node: Receiving, backend: Recording
) -> None:
    start = node.inflow.ring.number
    await record(backend, A, "1")
    await backend.plain(B, {"type": "2"})
    await record(backend, B, "3")
    await node.expect((A, "1"), (B, "2"), (B, "3"))
    position = await backend.store.position()
    assert node.inflow.position == position
    assert node.inflow.offset == (*position, "me", start + 3)
    assert node.offsets[-1] == f"{position}-me-{start + 3}"
    entries = [node.inflow.ring.since(topic, start) or [] for topic in (A, B)]
    assert [(entry.number - start, entry.payload) for part in entries for entry in part] == [
        (1, b'{"type": "1"}'),
        (2, b'{"type": "2"}'),
        (3, b'{"type": "3"}'),
    ]
    assert node.outcomes == {}


async def test_a_message_that_comes_twice_is_delivered_once(node: Receiving, backend: Recording) -> None:
    node.twice = {"1", "2"}
    await record(backend, A, "1", "2", "3")
    await node.expect(*of(A, "1", "2", "3"))
    assert node.inflow.doubles == 2


async def test_what_got_lost_is_read_before_anything_newer_is_delivered(
    node: Receiving, backend: Recording
) -> None:
    node.lost = {"2", "3", "6"}
    await record(backend, A, "1", "2", "3", "4")
    await record(backend, B, "5", "6")
    await backend.plain(A, {"type": "7"})
    await record(backend, B, "8")
    await node.expect(*of(A, "1", "2", "3", "4"), (B, "5"), (A, "7"), *of(B, "6", "8"))
    assert node.outcomes == {RepairOutcome.WHOLE: 2}
    assert node.notices.all == []


async def test_a_loss_that_the_history_no_longer_has_is_told_and_ends_the_wait(
    node: Receiving, backend: Recording, redis: Redis
) -> None:
    start = node.inflow.ring.number
    node.lost = {"2", "3"}
    await record(backend, A, "1", "2", "3")
    await redis.xtrim(f"{{hornet:history}}:s:{A}", maxlen=1, approximate=False)
    await record(backend, A, "4")
    await record(backend, B, "5")
    await node.expect(*of(A, "1", "3", "4"), (B, "5"))
    assert node.notices.all == [([A], GapReason.HISTORY_TOO_SHORT)]
    assert node.outcomes == {RepairOutcome.PARTLY: 1}
    assert node.inflow.ring.since(A, start) is None
    assert [entry.payload for entry in node.inflow.ring.since(B, start) or []] == [b'{"type": "5"}']


async def test_each_source_of_a_publish_hears_it_and_is_repaired_for_itself(
    node: Receiving, backend: Recording
) -> None:
    topic = "kind:news|place:rome"
    await node.subscriber.subscribe(topic)
    for glob in ("kind:news|place:*", "kind:*|place:*"):
        await node.subscriber.subscribe_pattern(glob)
    sources = (topic, f"kind:news|place:* {topic}", f"kind:*|place:* {topic}")
    await record(backend, topic, "1")
    node.lost = {"2"}
    await record(backend, topic, "2")
    await record(backend, topic, "3")

    async def by_source() -> dict[str, list[str]]:
        return {source: [type for name, type in node.delivered if name == source] for source in sources}

    await eventually(by_source, {source: ["1", "2", "3"] for source in sources})
    assert node.outcomes == {RepairOutcome.WHOLE: 3}


async def test_a_topic_that_was_left_and_comes_back_has_missed_nothing(
    node: Receiving, backend: Recording
) -> None:
    await record(backend, A, "1")
    await node.expect((A, "1"))
    node.subscriber.unsubscribe(A)
    assert A not in node.inflow.ring
    await record(backend, A, "2")
    await node.subscriber.subscribe(A)
    await record(backend, A, "3")
    await node.expect((A, "1"), (A, "3"))
    assert node.outcomes == {}


async def test_a_wait_that_takes_too_many_bytes_ends_and_is_told(
    valkey: Valkey, backend: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflow_module, "MAX_WAITING_BYTES", 2_000)
    monkeypatch.setattr(repairs_module, "WAIT_S", 2 * DEADLINE_S)
    async with Strait(valkey.port) as strait, receiving(valkey.url, strait.url) as node:
        await node.subscriber.subscribe(A)
        await record(backend, A, "1")
        await node.expect((A, "1"))
        strait.stall()
        node.lost = {"2"}
        await record(backend, A, "2", *map(str, range(3, 20)))
        await node.expect(*of(A, "1", *map(str, range(3, 20))))
        strait.flow()
    assert node.notices.all == [([A], GapReason.HISTORY_UNAVAILABLE)]
    assert node.outcomes == {RepairOutcome.FAILED: 1}


async def test_plain_publishes_are_noted_in_redis_for_other_nodes(
    node: Receiving, backend: Recording, redis: Redis
) -> None:
    await backend.plain(A, {"type": "1"}, {"type": "2"})

    async def is_noted() -> bool:
        return bool(await redis.hexists("{hornet:history}", f"p:{A}"))

    await eventually(is_noted, True)


async def test_a_node_whose_clients_hold_no_offsets_asks_for_few_marks(
    node: Receiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.has_offsets = False
    ticks: list[float] = []
    monkeypatch.setattr(node.inflow.ring, "trim", ticks.append)
    monkeypatch.setattr(repairs_module, "TICK_S", 0.01)

    async def has_ticked() -> bool:
        return len(ticks) >= 2 * repairs_module.QUIET_TICKS

    await eventually(has_ticked, True)
    idle = len(node.offsets)
    assert idle < repairs_module.QUIET_TICKS
    await node.subscriber.subscribe("news")

    async def is_marked() -> bool:  # one offset for the subscription, and one for the mark
        return len(node.offsets) > idle + 1

    await eventually(is_marked, True)


async def test_an_idle_node_learns_what_was_recorded_elsewhere(node: Receiving, backend: Recording) -> None:
    """A client that comes now and hears nothing has an offset that is not older than its arrival."""
    await record(backend, channel_topic("elsewhere"), "1")
    position = await backend.store.position()

    async def known() -> StreamPosition:
        return node.inflow.position

    await eventually(known, position)
