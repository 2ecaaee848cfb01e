"""The history of topics in Redis: records what is published, and reads what was missed."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from hornet.broker.client import PUBLISH, PUBLISHES_PER_SCRIPT, Client, ClusterClient, call
from hornet.broker.history_functions import HistoryFunctions
from hornet.broker.history_reads import HistoryReader, Snapshot, to_messages
from hornet.broker.history_scripts import depths_text
from hornet.broker.history_sweep import HistorySweep
from hornet.broker.history_types import (
    NO_POSITION,
    HistoryAnswer,
    HistoryPage,
    Missing,
    Publication,
    Recorded,
    RecordedMessage,
    TopicHistory,
)
from hornet.broker.keys import HISTORY_PATTERNS
from hornet.broker.settings import HistorySettings
from hornet.core.errors import RedisTakesNoWrites, RedisUnavailable, RefusedByRedis
from hornet.core.history import PUBLISHED_BEFORE, StreamPosition, is_whole_after, parse_position

__all__ = [
    "HistoryAnswer",
    "HistoryPage",
    "HistoryStore",
    "Missing",
    "Publication",
    "Recorded",
    "RecordedMessage",
    "TopicHistory",
]

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 60.0

WARN_EVERY_S = 60.0
"""At most so often the log says that messages are not recorded."""

FORGET_AFTER_S = 86_400.0
"""A topic on which nothing was recorded for so long is forgotten; who comes back after that is told."""

TOPICS_PER_NOTE = 250


class HistoryStore:
    """Records publishes in Redis, in one order over all topics, and reads them again.

    What nodes hear has its position in front. A message that can't be recorded is published all the same;
    :attr:`unrecorded` counts these.
    """

    def __init__(self, client: Client, settings: HistorySettings) -> None:
        self._client = client
        self._settings = settings
        self._functions = HistoryFunctions(client)
        self._reader = HistoryReader(self._functions)
        self._sweep = HistorySweep(client, self._functions)
        self._is_due = asyncio.Event()
        self._warn_at = 0.0
        self._warned = ""
        self.unrecorded = 0
        """Messages that were published and could not be recorded."""

    @property
    def settings(self) -> HistorySettings:
        return self._settings

    @property
    def topics_read(self) -> int:
        """How many topics were read; a read that several callers shared counts once."""
        return self._reader.reads

    def configure(self, settings: HistorySettings) -> None:
        """Keep as much as ``settings`` say from now on."""
        self._settings = settings
        self.renew()

    def renew(self) -> None:
        """Have :meth:`run` make Redis ready once more, since it may be another one, or have lost its data."""
        self._is_due.set()

    async def load(self) -> None:
        """Make Redis ready to record: give it the Functions, the depths, and an epoch of its own.

        A Redis that goes away meanwhile, or takes no writes, is made ready later.
        """
        if not self._settings.records:
            return
        try:
            await self._functions.load()
            await self._open()
        except RefusedByRedis as error:
            self._warn(f"Messages are not recorded: {error}: its user lacks %RW~{{hornet:* +eval +time")
        except RedisUnavailable as error:
            self._warn(f"Redis is not ready to record messages yet: {error}")

    async def run(self) -> None:
        """Make Redis ready and sweep, every minute and when :meth:`renew` asks for it, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_EVERY_S):
                    await self._is_due.wait()
            self._is_due.clear()
            await self.load()
            with suppress(RedisUnavailable):
                await self.sweep()

    # Recording -----------------------------------------------------------------------------------

    async def publish(self, publications: Sequence[Publication]) -> list[Recorded]:
        """Publish in order, in few round trips, and record what the depths say.

        Raises:
            RedisUnavailable: it is not known how many were published.
        """
        if not self._settings.records:
            return await self._publish_plain(publications)
        recorded: list[Recorded] = []
        for at in range(0, len(publications), PUBLISHES_PER_SCRIPT):
            part = publications[at : at + PUBLISHES_PER_SCRIPT]
            try:
                recorded += await self._publish_recorded(part)
            except (RedisTakesNoWrites, RefusedByRedis) as error:
                self._note_unrecorded(len(part), str(error))
                recorded += await self._publish_plain(part)
        return recorded

    async def _publish_recorded(self, publications: Sequence[Publication]) -> list[Recorded]:
        if len(publications) == 1:
            [publication] = publications
            answers = [await self._functions.run("hornet_publish_topic", publication.topic, publication.text)]
        else:
            words = [word for publication in publications for word in (publication.topic, publication.text)]
            answers = await self._functions.run("hornet_publish_all", *words)
        for answer in answers:
            if len(answer) == 3:
                self._note_unrecorded(1, answer[2].decode(errors="replace"))
        return [to_recorded(*answer[:2]) for answer in answers]

    async def _publish_plain(self, publications: Sequence[Publication]) -> list[Recorded]:
        pairs = [(publication.topic, unstamped(publication.text)) for publication in publications]
        if isinstance(self._client, ClusterClient):
            counts = await call(self._client.publish_all, pairs)
        elif len(pairs) == 1:
            counts = [await self._functions.execute("PUBLISH", *pairs[0])]
        else:
            steps = range(0, len(pairs), PUBLISHES_PER_SCRIPT)
            parts = [itertools.chain.from_iterable(pairs[at : at + PUBLISHES_PER_SCRIPT]) for at in steps]
            answers = [self._functions.execute("EVAL", PUBLISH, 0, *part) for part in parts]
            counts = itertools.chain.from_iterable(await asyncio.gather(*answers))
        return [Recorded(None, count) for count in counts]

    def _warn(self, text: str) -> None:
        if text != self._warned:
            self._warned = text
            log.warning("%s", text)

    def _note_unrecorded(self, count: int, reason: str) -> None:
        self.unrecorded += count
        if time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + WARN_EVERY_S
            log.warning("Redis publishes and does not record: %s", reason)

    async def note_plain(self, topics: Collection[str]) -> None:
        """Remember that plain publishes were heard on ``topics`` just now, and so not all is recorded."""
        names = list(topics)
        for at in range(0, len(names), TOPICS_PER_NOTE):
            await self._functions.run("hornet_note_plain", *names[at : at + TOPICS_PER_NOTE])

    # Reading -------------------------------------------------------------------------------------

    async def position(self) -> StreamPosition:
        """Return up to where Redis has recorded, or an epoch of "0" where it records nothing.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        return (await self._snapshot(())).position

    async def read(self, requests: Sequence[Missing]) -> HistoryAnswer:
        """Return what each request asks for. Requests that come at once share their reads.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        snapshot = await self._snapshot(requests)
        return HistoryAnswer(snapshot.position, [snapshot.answer(request) for request in requests])

    async def page(
        self,
        topic: str,
        *,
        limit: int,
        since: StreamPosition | None = None,
        before: StreamPosition | None = None,
        newest_first: bool = False,
    ) -> HistoryPage:
        """Return up to ``limit`` messages of a topic, of those after ``since`` and before ``before``.

        Positions of another epoch stand for no bound; then the page is not whole.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        after_id = since.id if since else 0
        before_id: int | str = before.id if before else ""
        words = [topic, after_id, before_id, limit + 1, int(newest_first)]
        epoch, last, floor, topic_last, previous, entries = await self._functions.run("hornet_page", *words)
        if epoch is None or not self._settings.records:
            return HistoryPage(NO_POSITION, [], is_whole=since is None, has_more=False)
        position = StreamPosition(epoch.decode(), int(last))
        known = [bound for bound in (since, before) if bound is not None]
        if not all(position.covers(bound) for bound in known):
            page = await self.page(topic, limit=limit, newest_first=newest_first)
            return dataclasses.replace(page, is_whole=False)
        is_whole = is_whole_after(
            after_id,
            floor=int(floor),
            last=None if topic_last is None else int(topic_last),
            previous=None if previous is None else int(previous),
        )
        messages = to_messages(entries[:limit])
        return HistoryPage(position, messages, is_whole or since is None, has_more=len(entries) > limit)

    async def topics_since(self, id: int) -> list[str]:
        """Return the topics of patterns on which something was recorded after ``id``."""
        names = await call(self._client.zrangebyscore, HISTORY_PATTERNS, f"({id}", "+inf")
        return [name.decode(errors="surrogateescape") for name in names]

    async def sweep(self) -> None:
        """Forget topics on which nothing was recorded for a day, unless another node did so just now."""
        if not self._settings.records:
            return
        longest_s = max(rule.depth.age_s for rule in self._settings.rules())
        await self._sweep.run(max(FORGET_AFTER_S, longest_s))

    async def _snapshot(self, requests: Collection[Missing]) -> Snapshot:
        if not self._settings.records:
            return Snapshot()
        snapshot = await self._reader.read(requests)
        if snapshot.position != NO_POSITION:
            return snapshot
        try:
            await self._open()
        except (RedisTakesNoWrites, RefusedByRedis) as error:
            log.debug("Redis has no epoch, and can't begin one: %s", error)
            return snapshot
        return await self._reader.read(requests)

    async def _open(self) -> None:
        """Give Redis the depths, and an epoch, where it has none or one of another history of replication."""
        text = depths_text(self._settings.rules())
        try:
            await self._functions.run("hornet_open", text, 1)
        except RefusedByRedis:
            self._reader.may_ask_replication = False
            await self._functions.run("hornet_open", text, 0)
            self._warn("After a failover of Redis, lost messages are not noticed: Hornet's user lacks +info")
        else:
            self._warned = ""
            self._reader.may_ask_replication = True


def to_recorded(position: bytes | None, nodes: int) -> Recorded:
    """Return what the scripts answered to a publish."""
    return Recorded(parse_position(position.decode()) if position else None, nodes)


def unstamped(text: str) -> str:
    """Return the same JSON, so that it is not taken for one that Redis recorded."""
    return "{ " + text[1:] if text.startswith(PUBLISHED_BEFORE.decode()) else text
