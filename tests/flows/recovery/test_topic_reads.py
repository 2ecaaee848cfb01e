"""Reads of topics that many clients missed: shared, and each gets what is after its own offset."""

from __future__ import annotations

import asyncio

from hornet.broker.history import HistoryStore, Missing
from hornet.core.history import StreamPosition
from hornet.flows.recovery.topic_reads import TopicReads
from tests.conftest import Valkey
from tests.flows.recovery.publishing import DEEP, recording
from tests.flows.recovery.test_inflow import A, B, Receiving, receiving

BYTES = 100_000


def reads_of(node: Receiving) -> tuple[HistoryStore, TopicReads]:
    history = HistoryStore(node.client, DEEP)
    return history, TopicReads(history=history, ring=node.inflow.ring, catch_up=node.repairs.marks.catch_up)


async def missed(reads: TopicReads, topic: str, since: StreamPosition) -> list[bytes]:
    """What was read for one client, all of which must be known."""
    request = Missing(topic, since, BYTES)
    answer = (await reads.read([request]))[topic].answer(request)
    assert answer.topics[0].is_whole
    return [entry.json for entry in answer.topics[0].entries]


async def test_all_who_missed_a_topic_share_a_read_and_get_their_own_part(valkey: Valkey) -> None:
    async with recording(valkey.url) as backend, receiving(valkey.url) as node:
        history, reads = reads_of(node)
        start = await history.position()
        await backend.record(A, {"type": "1"})
        middle = await history.position()
        await backend.record(A, {"type": "2"})
        await node.subscriber.subscribe(A)
        first = await missed(reads, A, start)
        assert len(first) == 2
        others = await asyncio.gather(*(missed(reads, A, since) for since in (start, middle) * 20))
        assert others == [first, first[1:]] * 20
        assert history.topics_read == 1


async def test_an_earlier_offset_and_another_epoch_are_read_anew(valkey: Valkey) -> None:
    async with recording(valkey.url) as backend, receiving(valkey.url) as node:
        history, reads = reads_of(node)
        start = await history.position()
        await backend.record(A, {"type": "1"})
        middle = await history.position()
        await backend.record(A, {"type": "2"})
        await node.subscriber.subscribe(A)
        assert len(await missed(reads, A, middle)) == 1
        assert len(await missed(reads, A, start)) == 2
        foreign = Missing(A, StreamPosition("other", start.id), BYTES)
        [answer] = (await reads.read([foreign]))[A].answer(foreign).topics
        assert not answer.is_whole
        assert history.topics_read == 3


async def test_a_topic_that_the_node_let_go_meanwhile_is_read_anew(valkey: Valkey) -> None:
    async with recording(valkey.url) as backend, receiving(valkey.url) as node:
        history, reads = reads_of(node)
        start = await history.position()
        await backend.record(A, {"type": "1"})
        await node.subscriber.subscribe(A)
        assert len(await missed(reads, A, start)) == 1
        node.subscriber.unsubscribe(A)
        node.inflow.release(A)
        await backend.record(A, {"type": "2"})
        await backend.record(B, {"type": "3"})
        await node.subscriber.subscribe(A)
        assert len(await missed(reads, A, start)) == 2
