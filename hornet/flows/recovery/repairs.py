"""The repair of what this node missed, from the history in Redis, while everything later waits.

Messages are missed when the subscription connection is lost, deaf ones included, and where a link between
the nodes of a Cluster broke. After a loss the node asks Redis for a mark on the new connection, and then
reads all that was recorded on its topics since the last message that it delivered. What is newer than the
mark arrives by itself.

A repair has two seconds. After that, or where something is gone for certain, the node goes on, and tells.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from hornet.broker.history import HistoryAnswer, Missing, TopicHistory
from hornet.broker.keys import EMITTERS_GLOB, carries_messages
from hornet.broker.node_messages import NodeMessages
from hornet.broker.subscriber import Holding
from hornet.core.errors import RedisUnavailable
from hornet.core.globs import matches_glob
from hornet.core.history import NO_EPOCH, Stamp, StreamPosition
from hornet.flows.recovery.gaps import GapReason
from hornet.flows.recovery.inflow import Inbound, Inflow
from hornet.flows.recovery.marks import Marks
from hornet.flows.recovery.plain_notes import PlainNotes

log = logging.getLogger(__name__)

T = TypeVar("T")

WAIT_S = 2.0
"""How long messages wait for a repair."""

AGAIN_S = 0.1
"""Time between two attempts to read, while Redis is not there."""

TICK_S = 1.0
"""Time between two marks while clients hold offsets, or the node subscribed to something since the last."""

QUIET_TICKS = 30
"""After how many ticks a mark is due all the same. A mark costs as much as the heartbeats of 30 idle clients,
and the history keeps messages for far longer than this."""

MAX_TOPIC_BYTES = 1_048_576
"""What a repair reads of one topic, at most: as much as the history keeps by default."""


class RepairOutcome(StrEnum):
    """What came of a repair; a label of a metric."""

    WHOLE = "whole"
    PARTLY = "partly"
    """Something was missing for some topics, and clients were told."""
    FAILED = "failed"
    """The history could not be read in time."""


class Notices(Protocol):
    """What is used of :class:`~hornet.flows.recovery.gaps.GapNotices`."""

    def tell(self, sources: Collection[str], reason: GapReason) -> None: ...


class History(Protocol):
    """What is used of :class:`hornet.broker.history.HistoryStore`."""

    async def read(self, requests: Sequence[Missing]) -> HistoryAnswer: ...

    async def position(self) -> StreamPosition: ...

    async def topics_since(self, id: int) -> list[str]: ...


@dataclass(slots=True)
class _Findings:
    """What a repair has read: messages with ids up to ``until``, and the sources that are not whole."""

    position: StreamPosition
    until: int
    inbound: list[Inbound] = field(default_factory=list)
    gaps: dict[str, GapReason] = field(default_factory=dict)

    def add(self, source: str, topic: str, history: TopicHistory) -> None:
        epoch = self.position.epoch
        self.inbound += (
            Inbound(source, topic, entry.json, Stamp(epoch, entry.id, entry.previous), entry.id)
            for entry in history.entries
        )


class Repairs:
    """Repairs the inflow of one node, while :meth:`run` and :meth:`run_marks` run."""

    def __init__(
        self,
        *,
        inflow: Inflow,
        history: History,
        messages: NodeMessages,
        plain: PlainNotes,
        notices: Notices,
        has_offsets: Callable[[], bool],
    ) -> None:
        """Ask ``has_offsets`` whether any client of this node may come back with an offset."""
        self.outcomes: Counter[RepairOutcome] = Counter(dict.fromkeys(RepairOutcome, 0))
        self._inflow = inflow
        self._history = history
        self.marks = Marks(inflow=inflow, messages=messages)
        self._plain = plain
        self._notices = notices
        self._has_offsets = has_offsets
        self._is_connected = False
        self._is_changed = False
        """The node has subscribed to something since the last mark."""
        self._lost: set[str] = set()
        """Sources that were held when the connection was lost, and are not repaired yet."""
        self._refused: set[str] = set()
        self._wanted = asyncio.Event()
        self._reading: asyncio.Task[Any] | None = None
        inflow.on_missing(self._wanted.set)
        inflow.on_too_many(self._give_up)

    # Signals of the subscriber --------------------------------------------------------------------

    def on_connection(self, is_connected: bool) -> None:
        """Begin to wait when the connection is lost, and to repair when there is a new one."""
        self._is_connected = is_connected
        if not is_connected:
            self._lost.update(self._inflow.ring.sources())
            self._inflow.hold_back()
            self._give_up()
        elif self._inflow.is_waiting:
            self._wanted.set()

    def on_holding(self, name: str, holding: Holding, is_glob: bool) -> None:
        """Follow which topics and globs the node receives."""
        if not (name != EMITTERS_GLOB if is_glob else carries_messages(name)):
            return
        if holding is Holding.CONFIRMED:
            self._inflow.hold(name)
            self._is_changed = True
            if name in self._refused:
                self._refused.discard(name)
                self._notices.tell([name], GapReason.REDIS_CONNECTION_LOST)
            return
        if holding is Holding.REFUSED and name in self._inflow.ring:
            self._refused.add(name)
        elif holding is Holding.RELEASED:
            self._refused.discard(name)
        self._lost.discard(name)
        self._inflow.release(name)
        self._plain.forget(name)

    # Marks ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Find out where Redis is, so that the first clients get an offset.

        A node that does not find out begins with what it hears.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._history.position()
                await self.marks.wait()
        except (RedisUnavailable, TimeoutError):
            log.warning("Redis does not tell yet up to where it has recorded")

    async def run_marks(self) -> None:
        """Ask for marks, note plain publishes, and trim the ring, each second until cancelled."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            self._inflow.ring.trim(time.monotonic())
            await self._plain.flush()
            ticks += 1
            is_due = self._is_changed or ticks >= QUIET_TICKS or self._has_offsets()
            if self._is_connected and is_due:
                ticks, self._is_changed = 0, False
                await self._mark()

    async def _mark(self) -> None:
        try:
            await self.marks.send()
        except RedisUnavailable as error:
            log.debug("No mark: %s", error)
            self._is_changed = True

    # Repairs -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Repair whenever something is missing, until cancelled."""
        self._wanted.set()  # an earlier run may have ended in the middle
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self._repair()

    async def _repair(self) -> None:
        last_gap: Inbound | None = None
        while self._inflow.is_waiting and self._is_connected:
            if self._lost:
                await self._repair_loss()
                continue
            gap = await self._inflow.deliver()
            if self._lost:  # the connection was lost meanwhile
                self._inflow.hold_back()
            elif gap is not None and gap is last_gap:
                self._go_on_behind(gap, GapReason.HISTORY_TOO_SHORT)
            elif gap is not None:
                last_gap = gap
                await self._repair_gap(gap)

    async def _repair_loss(self) -> None:
        findings = await self._read_in_time(self._read_lost())
        if not self._is_connected:
            return  # it is lost again: the next connection repairs both
        sources, self._lost = self._lost, set()
        if findings is None:
            self._count(RepairOutcome.FAILED, "after a lost connection")
            self._break(sources, GapReason.HISTORY_UNAVAILABLE)
            return
        if findings.position.epoch != self._inflow.position.epoch:
            self._inflow.advance(StreamPosition(findings.position.epoch, 0))
        by_reason: dict[GapReason, list[str]] = {}
        for source, reason in findings.gaps.items():
            by_reason.setdefault(reason, []).append(source)
        for reason, names in by_reason.items():
            self._break(names, reason)
        self._inflow.weave(findings.inbound, until=findings.until)
        outcome = RepairOutcome.PARTLY if findings.gaps else RepairOutcome.WHOLE
        self._count(outcome, f"{len(sources)} topics, {len(findings.inbound)} messages")

    async def _repair_gap(self, gap: Inbound) -> None:
        """Read what was missed on one topic before a message that arrived."""
        stamp, since = gap.stamp, self._inflow.chains.last(gap.source, gap.topic)
        assert stamp is not None
        assert since is not None
        request = Missing(gap.topic, StreamPosition(stamp.epoch, since), MAX_TOPIC_BYTES)
        answer = await self._read_in_time(self._read([request]))
        if answer is None:
            if self._is_connected:
                self._count(RepairOutcome.FAILED, "one topic")
                self._go_on_behind(gap, GapReason.HISTORY_UNAVAILABLE)
            return
        [history] = answer.topics
        findings = _Findings(answer.position, stamp.id)
        findings.add(gap.source, gap.topic, history)
        if not history.is_whole:
            self._go_on_behind(gap, GapReason.HISTORY_TOO_SHORT)
        self._inflow.weave(findings.inbound, until=findings.until)
        outcome = RepairOutcome.WHOLE if history.is_whole else RepairOutcome.PARTLY
        self._count(outcome, f"one topic, {len(findings.inbound)} messages")

    def _go_on_behind(self, gap: Inbound, reason: GapReason) -> None:
        self._inflow.go_on([gap.source], gap.topic)
        self._notices.tell([gap.source], reason)

    def _break(self, sources: Collection[str], reason: GapReason) -> None:
        """Go on without what is missing, and tell."""
        self._inflow.go_on(sources)
        self._notices.tell(sources, reason)

    def _count(self, outcome: RepairOutcome, extent: str) -> None:
        self.outcomes[outcome] += 1
        if outcome is RepairOutcome.WHOLE:
            log.info("Read what was missed from the history (%s)", extent)
        else:
            log.warning("Messages may be missing after a repair: %s (%s)", outcome, extent)

    # Reading -------------------------------------------------------------------------------------

    async def _read_lost(self) -> _Findings:
        """Read all that was recorded on the lost sources since the last message that was delivered."""
        while True:
            try:
                mark = await self.marks.wait()
                before = self._inflow.position
                pairs = await self._topics_of(self._lost, before.id)
                answer = await self._read_since(before, pairs)
                epoch = answer.position.epoch
                until = mark.last if mark.epoch == epoch else 0
                findings = _Findings(answer.position, until)
                if epoch != before.epoch and until and not self._inflow.has_left(epoch):
                    answer = await self._read_since(StreamPosition(epoch, 0), pairs)
            except RedisUnavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                break
        histories: dict[str, list[TopicHistory]] = {source: [] for source in self._lost}
        for (source, topic), history in zip(pairs, answer.topics, strict=True):
            findings.add(source, topic, history)
            histories.setdefault(source, []).append(history)
        for source, of_source in histories.items():
            reason = self._judge(source, of_source, before.epoch, epoch)
            if reason is not None:
                findings.gaps[source] = reason
        return findings

    async def _topics_of(self, sources: Collection[str], since: int) -> list[tuple[str, str]]:
        """Return each source with each of its topics on which something may have been recorded."""
        globs = [source for source in sources if is_glob(source)]
        pairs = [(source, source) for source in sources if not is_glob(source)]
        if globs:
            for topic in await self._history.topics_since(since):
                pairs += ((glob, topic) for glob in globs if matches_glob(glob, topic))
        return pairs

    async def _read_since(self, since: StreamPosition, pairs: Sequence[tuple[str, str]]) -> HistoryAnswer:
        return await self._history.read([Missing(topic, since, MAX_TOPIC_BYTES) for _, topic in pairs])

    async def _read(self, requests: Sequence[Missing]) -> HistoryAnswer:
        while True:
            try:
                return await self._history.read(requests)
            except RedisUnavailable:
                await asyncio.sleep(AGAIN_S)

    def _judge(
        self, source: str, histories: Sequence[TopicHistory], before: str, after: str
    ) -> GapReason | None:
        """Return why messages of a source may be missing, or None where all of them were read.

        A topic on which nothing was ever recorded may have had its first message, a plain one, just then.
        """
        if before not in (after, NO_EPOCH):
            return GapReason.REDIS_LOST_DATA
        is_recorded = any(history.is_recorded for history in histories)
        if is_glob(source):
            is_recorded = is_recorded or self._inflow.chains.has(source)
        if after == NO_EPOCH or before == NO_EPOCH or not is_recorded or source in self._plain:
            return GapReason.REDIS_CONNECTION_LOST
        if any(history.heard_plain for history in histories):
            return GapReason.REDIS_CONNECTION_LOST
        return None if all(history.is_whole for history in histories) else GapReason.HISTORY_TOO_SHORT

    async def _read_in_time(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what ``work`` reads; None where it takes too long, or is given up."""
        if self._inflow.is_overfull:
            work.close()
            return None
        reading = self._reading = asyncio.create_task(work, name="hornet-repair")
        try:
            await asyncio.wait({reading}, timeout=WAIT_S)
        finally:
            self._reading = None
            reading.cancel()
        await asyncio.wait({reading})
        return None if reading.cancelled() else reading.result()

    def _give_up(self) -> None:
        if self._reading is not None:
            self._reading.cancel()


def is_glob(source: str) -> bool:
    """Return whether a source is a glob. The text of a pattern that is a topic never has a ``*``."""
    return "*" in source and not carries_messages(source)
