"""Two nodes on a real Valkey: what one hands over, and what the other hears from there on, is everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic, node_topic
from hornet.core.message_ring import RingEntry
from hornet.flows.recovery import handover as handover_module
from hornet.flows.recovery.handover import HandoverOutcome
from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.recovery.publishing import Recording, recording
from tests.flows.recovery.test_inflow import Receiving, receiving

A, B = channel_topic("a"), channel_topic("b")


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[Recording]:
    async with recording(valkey.url) as backend:
        yield backend


@pytest.fixture
async def old(valkey: Valkey, backend: Recording) -> AsyncIterator[Receiving]:
    del backend  # it makes the history
    async with receiving(valkey.url, name="old") as node:
        for topic in (A, B):
            await node.subscriber.subscribe(topic)
        yield node


@pytest.fixture
async def new(valkey: Valkey, old: Receiving) -> AsyncIterator[Receiving]:
    del old
    async with receiving(valkey.url, name="new") as node:
        yield node


def handed_numbers(entries: list[RingEntry]) -> list[int]:
    return [int(entry.payload) for entry in entries]


async def publish(redis: Redis, until: asyncio.Event) -> None:
    """Publish growing numbers on both topics in turn, without a pause."""
    number = 0
    while not until.is_set():
        await redis.publish((A, B)[number % 2], str(number))
        number += 1


async def test_nothing_is_missing_or_doubled_at_the_seam(
    old: Receiving, new: Receiving, redis: Redis
) -> None:
    start, stop = old.inflow.ring.number, asyncio.Event()
    publishing = asyncio.create_task(publish(redis, stop))
    for _ in range(20):
        await asyncio.gather(*(new.subscriber.subscribe(topic) for topic in (A, B)))
        handed = await new.handover.fetch("old", {A: start, B: start})
        assert handed is not None
        number = handed.number

        async def goes_on(number: int = handed.number) -> bool:
            return all(new.inflow.ring.since(topic, number) for topic in (A, B))

        await eventually(goes_on, True)
        for first, topic in enumerate((A, B)):
            heard = handed.entries[topic] + (new.inflow.ring.since(topic, number) or [])
            assert handed_numbers(heard) == list(range(first, first + 2 * len(heard), 2))
            new.subscriber.unsubscribe(topic)
    stop.set()
    await publishing
    assert new.handover.outcomes[HandoverOutcome.ANSWERED] == 20


async def test_an_answer_waits_for_what_the_node_is_still_reading(
    old: Receiving, new: Receiving, redis: Redis
) -> None:
    await new.subscriber.subscribe(A)
    start = old.inflow.ring.number
    async with redis.pubsub() as requests:
        await requests.subscribe(node_topic("old"))
        old.inflow.hold_back()
        for number in range(3):
            await redis.publish(A, str(number))
        fetching = asyncio.create_task(new.handover.fetch("old", {A: start}))
        async for message in requests.listen():
            if message["type"] == "message" and b"ring" in message["data"]:
                break
    assert await old.inflow.deliver() is None
    handed = await fetching
    assert handed is not None
    assert handed_numbers(handed.entries[A]) == [0, 1, 2]


async def test_clients_that_come_together_share_a_request_and_get_what_each_missed(
    old: Receiving, new: Receiving, redis: Redis
) -> None:
    for topic in (A, B):
        await new.subscriber.subscribe(topic)
    start = old.inflow.ring.number
    for number in range(4):
        await redis.publish(A, str(number))
    fetched = [new.handover.fetch("old", {A: start + missed}) for missed in (0, 3, 4)]
    fetched.append(new.handover.fetch("old", {A: start + 1, B: start, channel_topic("c"): start}))
    fetched.append(new.handover.fetch("old", {A: start - 2, B: start + 99}))
    handed = [each.entries for each in await asyncio.gather(*fetched) if each is not None]
    assert [handed_numbers(entries[A]) for entries in handed[:4]] == [[0, 1, 2, 3], [3], [], [1, 2, 3]]
    assert handed[3].keys() == {A, B}
    assert handed[4] == {}
    assert new.handover.outcomes[HandoverOutcome.ANSWERED] == 1


async def test_a_long_answer_comes_in_parts_and_one_that_is_too_long_is_left_out(
    old: Receiving, new: Receiving, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover_module, "PART_BYTES", 1_000)
    monkeypatch.setattr(handover_module, "MAX_BYTES", 20_000)
    for topic in (A, B):
        await new.subscriber.subscribe(topic)
    start = old.inflow.ring.number
    for number in range(100):
        await redis.publish(A, str(number))
    handed = await new.handover.fetch("old", {A: start, B: start})
    assert handed is not None
    assert handed_numbers(handed.entries[A]) == list(range(100))
    assert handed.entries[B] == []
    await redis.publish(B, b" " * 20_000 + b"1")
    handed = await new.handover.fetch("old", {A: start, B: start})
    assert handed is not None
    assert handed.entries.keys() == {A}


async def test_a_node_that_is_gone_or_silent_hands_nothing_over(
    old: Receiving, new: Receiving, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await new.handover.fetch("gone", {A: 0}) is None
    assert await new.handover.fetch("old", {}) is None
    monkeypatch.setattr(handover_module, "WAIT_S", 0.2)
    async with redis.pubsub() as silent:
        await silent.subscribe(node_topic("silent"))
        assert (await silent.get_message(timeout=DEADLINE_S))["type"] == "subscribe"
        assert await new.handover.fetch("silent", {A: 0}) is None
    assert new.handover.outcomes[HandoverOutcome.NO_ANSWER] == 2


async def test_a_node_that_stops_waits_until_all_its_clients_came_elsewhere(
    old: Receiving, new: Receiving
) -> None:
    old.handover.expect(["first", "second"])
    waiting = asyncio.create_task(old.handover.wait_taken())
    await new.messages.send("old", "take", sid="first", record="")
    assert await old.handover.fetch("old", {A: old.inflow.ring.number}) is not None
    assert not waiting.done()
    await new.messages.send("old", "take", sid="second", record="")
    async with asyncio.timeout(DEADLINE_S):
        await waiting


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ring"},
        {"type": "ring", "node": "new", "id": 1, "since": {A: "x"}},
        {"type": "ring", "node": 1, "id": 1, "since": {}},
        {"type": "ring-part", "sources": 3},
        {"type": "ring-mark", "number": "x"},
        {"type": "unknown"},
        [],
    ],
    ids=str,
)
async def test_messages_that_no_node_wrote_are_dropped_and_counted(
    old: Receiving, redis: Redis, message: object
) -> None:
    await redis.publish(node_topic("old"), json.dumps(message))

    async def dropped() -> int:
        return old.messages.dropped

    await eventually(dropped, 1)
