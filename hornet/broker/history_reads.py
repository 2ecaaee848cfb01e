"""Reads of what topics have missed: many callers at once, each topic read once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hornet.broker.history_functions import HistoryFunctions
from hornet.broker.history_types import NO_POSITION, Missing, RecordedMessage, TopicHistory
from hornet.core.errors import RedisUnavailable
from hornet.core.history import StreamPosition, is_whole_after

TOPICS_PER_READ = 200
BYTES_PER_READ = 4_194_304
"""Redis serves no other client during one read, and a node holds what it read until it is delivered."""


@dataclass(slots=True)
class _KnownTopic:
    """What Redis has of a topic: ``last`` is None where nothing is known to have been recorded."""

    last: int | None
    plain_at: int
    entries: list[RecordedMessage]


@dataclass(slots=True)
class Snapshot:
    """What Redis had of some topics at one moment."""

    position: StreamPosition = NO_POSITION
    floor: int = 0
    topics: dict[str, _KnownTopic] = field(default_factory=dict)

    def answer(self, request: Missing) -> TopicHistory:
        """Return what one caller has missed, which may be less than what was read for all callers."""
        topic = self.topics.get(request.topic) or _KnownTopic(None, 0, [])
        since = request.since.id
        entries, size = [], 0
        is_comparable = request.since.epoch == self.position.epoch and since <= self.position.id
        for entry in reversed(topic.entries) if is_comparable else ():
            size += len(entry.json)
            if entry.id <= since or size > request.max_bytes:
                break
            entries.append(entry)
        entries.reverse()
        return TopicHistory(
            entries=entries,
            is_whole=is_comparable and self._is_whole(topic, entries, since),
            last=topic.last or 0,
            is_recorded=topic.last is not None,
            plain_at=topic.plain_at,
        )

    def _is_whole(self, topic: _KnownTopic, entries: Sequence[RecordedMessage], since: int) -> bool:
        if self.position == NO_POSITION:
            return False
        previous = entries[0].previous if entries else None
        return is_whole_after(since, floor=self.floor, last=topic.last, previous=previous)


@dataclass(slots=True)
class _Wish:
    since: int
    max_bytes: int


class _SharedRead:
    """The requests that share one read."""

    def __init__(self) -> None:
        self.wishes: dict[str, _Wish] = {}
        self.snapshot: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()

    def add(self, request: Missing) -> None:
        wish = self.wishes.setdefault(request.topic, _Wish(request.since.id, request.max_bytes))
        wish.since = min(wish.since, request.since.id)
        wish.max_bytes = max(wish.max_bytes, request.max_bytes)


class HistoryReader:
    """Reads topics; the requests that come during a read share the next one."""

    def __init__(self, functions: HistoryFunctions) -> None:
        self._functions = functions
        self._next: _SharedRead | None = None
        self._task: asyncio.Task[None] | None = None
        self.may_ask_replication = False
        """Whether the ACL lets the node ask Redis for its replication id."""
        self.reads = 0
        """How many topics were read."""

    async def read(self, requests: Iterable[Missing]) -> Snapshot:
        """Return what Redis has of the topics, at one moment after the call.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        batch = self._next
        if batch is None:
            batch = self._next = _SharedRead()
        for request in requests:
            batch.add(request)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="hornet-history-reads")
        return await asyncio.shield(batch.snapshot)

    async def _run(self) -> None:
        batch: _SharedRead | None = None
        try:
            while self._next is not None:
                batch, self._next = self._next, None
                try:
                    batch.snapshot.set_result(await self._read(batch.wishes))
                except RedisUnavailable as error:
                    batch.snapshot.set_exception(error)
                    batch.snapshot.exception()  # its callers may all be gone
        finally:
            self._task = None
            for left in (batch, self._next):
                if left is not None:
                    left.snapshot.cancel()

    async def _read(self, wishes: Mapping[str, _Wish]) -> Snapshot:
        names = list(wishes)
        snapshot, is_first = Snapshot(), True
        while names or is_first:
            part = names[:TOPICS_PER_READ]
            words = [word for name in part for word in (name, wishes[name].since, wishes[name].max_bytes)]
            epoch, last, floor, is_other, topics = await self._functions.run(
                "hornet_read", int(self.may_ask_replication), BYTES_PER_READ, *words
            )
            if epoch is None or last is None or floor is None or is_other:
                return Snapshot()
            position = StreamPosition(epoch.decode(), int(last))
            if is_first:
                snapshot = Snapshot(position, int(floor))
            elif position.epoch != snapshot.position.epoch:
                return Snapshot()
            snapshot.floor = max(snapshot.floor, int(floor))
            for name, topic in zip(part, topics, strict=False):
                snapshot.topics[name] = _parse_topic(topic)
            self.reads += len(topics)
            names = names[len(topics) :]
            is_first = False
        return snapshot


def _parse_topic(topic: Sequence[Any]) -> _KnownTopic:
    last, plain_at, entries = topic
    return _KnownTopic(
        None if last is None else int(last), int(plain_at or 0), to_messages(reversed(entries))
    )


def to_messages(entries: Iterable[Sequence[bytes]]) -> list[RecordedMessage]:
    """Return the messages of entries, as the scripts answer them."""
    return [RecordedMessage(int(id), json, int(previous)) for id, previous, json in entries]
