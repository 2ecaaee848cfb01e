"""Reads of what clients missed, each shared by all who come back to a topic within a second.

After a node has died, the clients of a room come back one by one, each with nearly the same offset. The first
has the topic read, and awaits a mark. What was read, and what the ring has from then on, is all that was
published since that client's offset, as long as this node holds the topic. So the next need no read.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from hornet.broker.history import HistoryAnswer, HistoryStore, Missing, TopicHistory
from hornet.core.history import StreamPosition, is_whole_after
from hornet.core.message_ring import MessageRing

KEEP_S = 1.0
"""How long a read is shared. Not longer, since a later one may find that a node noted a plain publish."""


@dataclasses.dataclass(frozen=True, slots=True)
class TopicRead:
    """What was recorded on one topic after some position, and from where on this node's ring goes on."""

    position: StreamPosition
    """Up to where Redis had recorded."""
    history: TopicHistory
    joined: int
    """From which number on the ring has everything that was not read."""
    until: int
    """The last id when the mark came."""

    def answer(self, request: Missing) -> HistoryAnswer:
        """Return what is of ``request``: the read began at its position, or before."""
        history, since = self.history, request.since.id
        entries = [entry for entry in history.entries if entry.id > since]
        previous = entries[0].previous if entries else None
        is_whole = history.is_whole or is_whole_after(since, floor=0, last=history.last, previous=previous)
        return HistoryAnswer(
            self.position, [dataclasses.replace(history, entries=entries, is_whole=is_whole)]
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Reading:
    """A read under way or done, of several topics at once."""

    requests: dict[str, Missing]
    began: float
    joined: int
    task: asyncio.Task[dict[str, TopicRead]]


class TopicReads:
    """Reads topics that this node holds. ``catch_up`` waits for a mark, and returns the last id."""

    def __init__(
        self, *, history: HistoryStore, ring: MessageRing, catch_up: Callable[[], Awaitable[int]]
    ) -> None:
        self._history = history
        self._ring = ring
        self._catch_up = catch_up
        self._readings: dict[str, _Reading] = {}

    async def read(self, requests: Iterable[Missing]) -> dict[str, TopicRead]:
        """Return a read for each topic.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        wanted = {request.topic: request for request in requests}
        shared = {topic: self._readings[topic] for topic, request in wanted.items() if self._covers(request)}
        reads: dict[str, TopicRead] = {}
        own = [request for topic, request in wanted.items() if topic not in shared]
        reading = self._begin(own) if own else None
        for topic, of_others in shared.items():
            read = (await asyncio.shield(of_others.task))[topic]
            if wanted[topic].since.id <= read.position.id:
                reads[topic] = read
        if reading is not None:
            reads |= await asyncio.shield(reading.task)
        newer = [request for topic, request in wanted.items() if topic not in reads]
        if newer:
            reads |= await asyncio.shield(self._begin(newer).task)
        return reads

    def _covers(self, request: Missing) -> bool:
        reading = self._readings.get(request.topic)
        if reading is None or time.monotonic() - reading.began > KEEP_S:
            return False
        task, first = reading.task, reading.requests[request.topic]
        if task.done() and (task.cancelled() or task.exception() is not None):
            return False
        return (
            first.since.epoch == request.since.epoch
            and first.since.id <= request.since.id
            and first.max_bytes >= request.max_bytes
            and self._ring.since(request.topic, reading.joined) is not None
        )

    def _begin(self, requests: Sequence[Missing]) -> _Reading:
        joined = self._ring.number
        task = asyncio.create_task(self._run(requests, joined), name="hornet-topic-reads")
        reading = _Reading({request.topic: request for request in requests}, time.monotonic(), joined, task)
        self._readings |= dict.fromkeys(reading.requests, reading)
        task.add_done_callback(_look_at)
        asyncio.get_running_loop().call_later(KEEP_S, self._forget, reading)
        return reading

    async def _run(self, requests: Sequence[Missing], joined: int) -> dict[str, TopicRead]:
        answer = await self._history.read(requests)
        until = await self._catch_up()
        return {
            request.topic: TopicRead(answer.position, history, joined, until)
            for request, history in zip(requests, answer.topics, strict=True)
        }

    def _forget(self, reading: _Reading) -> None:
        for topic in reading.requests:
            if self._readings.get(topic) is reading:
                del self._readings[topic]


def _look_at(task: asyncio.Task[dict[str, TopicRead]]) -> None:
    if not task.cancelled():
        task.exception()  # its callers may all be gone
