"""Why Redis closed the subscription connection: more waited on it than Redis lets wait.

Redis keeps what a subscriber has not read yet, up to ``client-output-buffer-limit``. Beyond that it closes
the connection without a word: messages are too long, or the node reads them too slowly. Redis counts such
cuts of all its clients. A connection that was closed while that number grew was most likely one of them.

Source: https://redis.io/docs/latest/develop/reference/clients/#output-buffer-limits
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from hornet.broker.client import Client, call
from hornet.broker.subscriber import Subscriber
from hornet.broker.subscription_probe import Loss
from hornet.core.errors import RedisUnavailable, RefusedByRedis

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often the number is read, so that cuts of other clients long ago are not taken for one of the node."""

CUTS = "client_output_buffer_limit_disconnections"
"""The field of ``INFO stats``; Redis has it from 7.0 on."""


class OutputLimitWatch:
    """Tells the log when Redis has cut the connection of ``subscriber``, and counts that in ``cuts``."""

    def __init__(self, client: Client, subscriber: Subscriber) -> None:
        self.cuts = 0
        self._client = client
        self._subscriber = subscriber
        self._is_back = asyncio.Event()
        subscriber.on_restored(self._is_back.set)

    async def run(self) -> None:
        """Watch until cancelled. Where the ACL of Redis does not permit INFO, do nothing."""
        closed, total = self._closed(), None
        while True:
            now_closed = self._closed()
            try:
                now_total = await self._read_total()
            except RefusedByRedis:
                await asyncio.Event().wait()  # until cancelled
                continue
            except RedisUnavailable:
                now_closed, now_total = closed, total  # read again when the connection is back
            if now_closed > closed and total is not None and now_total is not None and now_total > total:
                self._tell()
            closed, total = now_closed, now_total
            await self._wait()

    def _tell(self) -> None:
        self.cuts += 1
        log.warning(
            "Redis closed the subscription connection because more waited on it than its "
            "client-output-buffer-limit for pubsub allows, and what waited was lost: publish shorter "
            "messages, or more slowly, or raise that limit"
        )

    def _closed(self) -> int:
        return self._subscriber.losses[Loss.CLOSED]

    async def _read_total(self) -> int | None:
        """Return how many clients Redis has cut so far, in a Cluster all its nodes together."""
        stats: Mapping[str, Any] = await call(self._client.info, "stats")
        servers: Iterable[Any] = (stats,) if "total_commands_processed" in stats else stats.values()
        totals = [server.get(CUTS) for server in servers]
        return None if None in totals else sum(totals)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await self._is_back.wait()
        except TimeoutError:
            return
        self._is_back.clear()
