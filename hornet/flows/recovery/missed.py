"""The reading of what a session that comes back missed, where this node's ring does not have it.

The node that the client left is asked first: it heard everything, plain publishes too. What it does not hand
over is read from the history: the node is gone, or its ring no longer has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from hornet.broker.history import HistoryStore, Missing
from hornet.core.errors import RedisUnavailable
from hornet.core.history import NO_EPOCH
from hornet.flows.recovery.handover import Handover
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.restoration import MissReason, Restoration
from hornet.flows.recovery.topic_reads import TopicReads

log = logging.getLogger(__name__)

READ_S = 10.0
"""How long a client that comes back waits for the history. After that it is told.

When a node has died, thousands wait at once: a slow answer is better than none.
"""

TOPICS_PER_READ = 32
"""A node holds what it reads for one client: this many times ``replay_bytes`` at most."""


class MissedMessages:
    """Reads what sessions missed."""

    def __init__(
        self,
        *,
        node: str,
        inflow: Inflow,
        history: HistoryStore,
        catch_up: Callable[[], Awaitable[int]],
        handover: Handover,
    ) -> None:
        """Await ``catch_up`` to have heard all that Redis recorded until now; it returns the last id."""
        self._node = node
        self._inflow = inflow
        self._topic_reads = TopicReads(history=history, ring=inflow.ring, catch_up=catch_up)
        self._handover = handover

    async def read(self, restoration: Restoration, max_bytes: int) -> None:
        """Read what the ring does not have, or can't find: ids of another epoch can't be compared.

        This node holds the topics of the session.
        """
        ring, epochs = self._inflow.ring, (self._inflow.position.epoch, NO_EPOCH)
        topics = [
            topic
            for topic, start in restoration.starts.items()
            if start.node != self._node
            or start.epoch not in epochs
            or ring.since(topic, start.number) is None
        ]
        await self._ask_former_node(restoration, topics)
        left = [topic for topic in topics if topic not in restoration.handed_over]
        if left:
            await self._read_history(restoration, left, max_bytes)

    async def _ask_former_node(self, restoration: Restoration, topics: Sequence[str]) -> None:
        """Ask the node of the client's offset, and no other: an offset counts the messages of one node."""
        former, starts = restoration.least_start, restoration.starts
        if former is None or former.node == self._node:
            return
        since = {topic: starts[topic].number for topic in topics if starts[topic].node == former.node}
        handed = await self._handover.fetch(former.node, since)
        if handed is not None:
            restoration.add_handed_over(handed)

    async def _read_history(self, restoration: Restoration, topics: Sequence[str], max_bytes: int) -> None:
        requests = [Missing(topic, restoration.starts[topic].position, max_bytes) for topic in topics]
        try:
            async with asyncio.timeout(READ_S):
                for at in range(0, len(requests), TOPICS_PER_READ):
                    part = requests[at : at + TOPICS_PER_READ]
                    reads = await self._topic_reads.read(part)
                    for request in part:
                        read = reads[request.topic]
                        restoration.joined[request.topic] = read.joined
                        restoration.until = max(restoration.until, read.until)
                        restoration.add_history(read.answer(request), [request.topic])
                    if restoration.recorded_bytes > max_bytes:
                        restoration.miss_all(MissReason.REPLAY_TOO_BIG)
                        return
        except (RedisUnavailable, TimeoutError) as error:
            log.debug("What a client missed can't be read: %s", error)
            restoration.missed.update(dict.fromkeys(topics, MissReason.HISTORY_UNAVAILABLE))
