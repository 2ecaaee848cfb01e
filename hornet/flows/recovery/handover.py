"""Messages that one node hands over to another, for clients that move from the one to the other.

Plain publishes are in no history. The node that a client left still has them in its ring; the node to which
the client comes hears what is published from now on. To join the two without a seam, the new node has Redis
publish in one step a request to the former node and a mark to itself. Redis sends each node everything in
one order. So what the former node heard before the request is exactly what the new one does not hear behind
its mark. The new node must be subscribed to the topics before it asks.

In a Cluster the messages of its nodes have no common order, so there nothing is handed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hornet.broker.node_messages import NodeMessages, parse_mark
from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import dump_ascii_json
from hornet.core.message_ring import MessageRing, RingEntry
from hornet.flows.recovery.inflow import Inflow

log = logging.getLogger(__name__)

REQUEST = "ring"
PART = "ring-part"
MARK = "ring-mark"
TAKE = "take"
"""A node learns by it that a session of its own came back on another node."""

GATHER_S = 0.01
"""How long a request waits for others to the same node: when a node stops, its clients come together."""

WAIT_S = 2.0
"""How long a node waits for an answer. Without one, plain messages may be missing."""

ASK_S = 1.0
"""How long a node that stops goes on to answer after a session was taken: the other node subscribes first."""

MAX_BYTES = 4_194_304
"""Of one answer. What does not fit is not handed over."""

PART_BYTES = 262_144
"""Of one message of an answer: it must not keep those for clients waiting for long."""


class HandoverOutcome(StrEnum):
    """What came of a request to another node; a label of a metric."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    """The node is gone, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What another node heard, up to the moment when this node's ring had ``number``.

    ``entries`` has the sources that are whole. The numbers in the entries are the other node's.
    """

    entries: dict[str, list[RingEntry]]
    number: int


@dataclass(eq=False, slots=True)
class _Request:
    """The requests of several callers to one node: for each source the least number of all."""

    since: dict[str, int] = field(default_factory=dict)
    floors: dict[str, int] = field(default_factory=dict)
    """From where the other node has each source; it has more than it was asked for where that is greater."""
    entries: dict[str, list[RingEntry]] = field(default_factory=dict)
    last: int = 0
    """The number of the other node's ring: an offset beyond it is not of that node."""
    parts: int = 0
    expected_parts: int | None = None
    number: int | None = None
    is_answered: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Task[bool] | None = None

    def check(self) -> None:
        """Wake the callers when the mark and all parts are there."""
        if self.number is not None and self.parts == self.expected_parts:
            self.is_answered.set()


class Handover:
    """Asks other nodes for what they heard, and answers them."""

    def __init__(self, *, node: str, inflow: Inflow, messages: NodeMessages, is_offered: bool) -> None:
        """``is_offered`` is False where Redis is a Cluster."""
        self.outcomes: Counter[HandoverOutcome] = Counter(dict.fromkeys(HandoverOutcome, 0))
        self._node = node
        self._inflow = inflow
        self._messages = messages
        self._is_offered = is_offered
        self._gathering: dict[str, _Request] = {}
        self._requests: dict[int, _Request] = {}
        self._number = 0
        self._expected: set[str] = set()
        self._is_taken = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()
        messages.on(REQUEST, self._on_request)
        messages.on(PART, self._on_part)
        messages.on(MARK, self._on_mark)
        messages.on(TAKE, self._on_taken)

    # Asking --------------------------------------------------------------------------------------

    async def fetch(self, node: str, since: Mapping[str, int]) -> HandedOver | None:
        """Return what ``node`` heard after the number of each source, which are topics or globs.

        The caller must hold the sources. None where the node does not answer.
        """
        if not self._is_offered or not since:
            return None
        request = self._gathering.get(node)
        if request is None:
            request = self._gathering[node] = _Request()
            request.done = asyncio.create_task(self._ask(node, request), name="hornet-handover")
        for source, number in since.items():
            request.since[source] = min(number, request.since.get(source, number))
        assert request.done is not None
        if not await asyncio.shield(request.done):
            return None
        assert request.number is not None
        whole = {
            source: [entry for entry in request.entries[source] if entry.number > number]
            for source, number in since.items()
            if request.floors.get(source, number + 1) <= number <= request.last
        }
        return HandedOver(whole, request.number)

    async def _ask(self, node: str, request: _Request) -> bool:
        await asyncio.sleep(GATHER_S)
        del self._gathering[node]
        self._number += 1
        number = self._number
        self._requests[number] = request
        try:
            async with asyncio.timeout(WAIT_S):
                receivers = await self._messages.ask(
                    node, REQUEST, mark=MARK, number=number, node=self._node, id=number, since=request.since
                )
                if receivers:
                    await request.is_answered.wait()
        except (RedisUnavailable, TimeoutError) as error:
            log.debug("Node %s did not hand over: %s", node, error)
        finally:
            del self._requests[number]
        outcome = HandoverOutcome.ANSWERED if request.is_answered.is_set() else HandoverOutcome.NO_ANSWER
        self.outcomes[outcome] += 1
        return request.is_answered.is_set()

    def _on_mark(self, message: Mapping[str, Any]) -> None:
        mark = parse_mark(message)

        def arrive() -> None:
            request = self._requests.get(mark.number)
            if request is not None:
                request.number = self._inflow.ring.number
                request.check()

        self._inflow.in_order(arrive)

    def _on_part(self, message: Mapping[str, Any]) -> None:
        request = self._requests.get(message["id"])
        if request is None:
            return
        for source, floor, entries in message["sources"]:
            request.floors[source] = floor
            request.entries.setdefault(source, []).extend(_entry(source, *row) for row in entries)
        request.parts += 1
        request.last = message["last"]
        request.expected_parts = message.get("parts")
        request.check()

    # Answering -----------------------------------------------------------------------------------

    def _on_request(self, message: Mapping[str, Any]) -> None:
        node, number, since = message["node"], message["id"], message["since"]
        if not isinstance(node, str) or type(number) is not int or not isinstance(since, dict):
            raise ValueError("a field has another type")
        if any(type(value) is not int for value in since.values()):
            raise ValueError("a number of the ring is none")
        self._inflow.in_order(lambda: self._start_answer(node, number, since))

    def _start_answer(self, node: str, number: int, since: Mapping[str, int]) -> None:
        ring = self._inflow.ring
        parts = list(answer_parts(ring, since))
        task = asyncio.create_task(
            self._answer(node, number, parts, ring.number), name="hornet-handover-answer"
        )
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, node: str, number: int, parts: list[list[Any]], last: int) -> None:
        try:
            for place, sources in enumerate(parts, 1):
                is_last = {"parts": len(parts)} if place == len(parts) else {}
                await self._messages.send(node, PART, id=number, sources=sources, last=last, **is_last)
        except RedisUnavailable as error:
            log.warning("Messages for clients that moved to node %s were not handed over: %s", node, error)

    # A node that stops ---------------------------------------------------------------------------

    def expect(self, sids: Iterable[str]) -> None:
        """Expect these sessions to come back on other nodes."""
        self._expected.update(sids)
        self._check_expected()

    async def wait_taken(self) -> None:
        """Return when all sessions that are expected to have come back on other nodes."""
        await self._is_taken.wait()

    def _on_taken(self, message: Mapping[str, Any]) -> None:
        sid = message["sid"]
        if sid in self._expected:
            asyncio.get_running_loop().call_later(ASK_S, self._expect_no_more, sid)

    def _expect_no_more(self, sid: str) -> None:
        self._expected.discard(sid)
        self._check_expected()

    def _check_expected(self) -> None:
        if self._expected:
            self._is_taken.clear()
        else:
            self._is_taken.set()

    async def close(self) -> None:
        """Cancel the answers under way."""
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)


def answer_parts(ring: MessageRing, since: Mapping[str, int]) -> Iterator[list[Any]]:
    """Yield the parts of an answer: lists of (source, floor, entries).

    A source that does not fit, or that the ring does not hold, is left out.
    """
    part: list[Any] = []
    left, size = MAX_BYTES, 0
    for source, number in since.items():
        floor = ring.floor(source)
        entries = None if floor is None else ring.since(source, max(number, floor))
        if floor is None or entries is None:
            continue
        rows = _rows(entries)
        left -= sum(length for length, _ in rows)
        if left < 0:
            break
        part.append((source, floor, []))
        for length, row in rows:
            if size + length > PART_BYTES and size:
                yield part
                part, size = [(source, floor, [])], 0
            part[-1][2].append(row)
            size += length
    yield part


def _entry(source: str, number: int, topic: str, text: str, id: int, cut: int) -> RingEntry:
    if not isinstance(text, str):
        raise ValueError("a message is no text")
    return RingEntry(number, topic, text.encode(), id, cut, source)


def _rows(entries: Iterable[RingEntry]) -> list[tuple[int, tuple[Any, ...]]]:
    """Return what is sent of each entry, with its length. What is not UTF-8 is no message for clients."""
    rows = []
    for entry in entries:
        try:
            text = entry.payload.decode()
        except UnicodeDecodeError:
            continue
        row = (entry.number, entry.topic, text, entry.id, entry.cut)
        rows.append((len(dump_ascii_json(row)), row))
    return rows
