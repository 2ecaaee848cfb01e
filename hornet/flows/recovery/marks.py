"""Marks: messages of a node to itself, by which it learns up to where it has heard what Redis recorded.

A script publishes a mark with the last id. Redis sends a node everything in one order. So when the mark
arrives, the node has heard all that was recorded before, on the topics that it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hornet.broker.node_messages import MARK, Mark, NodeMessages, parse_mark
from hornet.core.history import NO_EPOCH, StreamPosition
from hornet.flows.recovery.inflow import Inflow


class Marks:
    """Has Redis send marks to this node, and moves the inflow's position to them."""

    def __init__(self, *, inflow: Inflow, messages: NodeMessages) -> None:
        self._inflow = inflow
        self._messages = messages
        self._waiters: dict[int, asyncio.Future[Mark]] = {}
        self._number = 0
        messages.on(MARK, self._on_mark)

    async def send(self) -> None:
        """Ask for a mark that nobody waits for.

        Raises:
            RedisUnavailable: Redis was not asked.
        """
        await self._messages.mark(0)

    async def wait(self) -> Mark:
        """Ask for a mark, and return it when it arrives. What came before it may still wait for a repair.

        Raises:
            RedisUnavailable: Redis was not asked.
        """
        number = self._number = self._number + 1
        waiter: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._waiters[number] = waiter
        try:
            await self._messages.mark(number)
            return await waiter
        finally:
            del self._waiters[number]

    async def catch_up(self) -> int:
        """Wait until everything is delivered that was recorded until now; return the last id of it.

        Raises:
            RedisUnavailable: Redis was not asked.
        """
        mark = await self.wait()
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def deliver() -> None:
            if not delivered.done():
                delivered.set_result(None)

        self._inflow.in_order(deliver, cut=mark.last)
        await delivered
        return mark.last

    def _on_mark(self, message: Mapping[str, Any]) -> None:
        mark = parse_mark(message)
        waiter = self._waiters.get(mark.number)
        if waiter is not None and not waiter.done():
            waiter.set_result(mark)
        if mark.epoch != NO_EPOCH:
            position = StreamPosition(mark.epoch, mark.last)
            self._inflow.in_order(lambda: self._inflow.advance(position), cut=mark.last)
