"""The events that Hornet publishes for backends about its clients, in the order in which they happened."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Mapping

from hornet.broker.client import Client, ClusterClient, call
from hornet.broker.failures import backoff_s
from hornet.broker.keys import EVENTS_CONNECT, EVENTS_DISCONNECT
from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import dump_json

log = logging.getLogger(__name__)

MAX_WAITING = 100_000
"""Events kept while Redis is away, about 20 MB; the oldest are dropped first, and counted."""

BATCH = 500
# One command for a whole batch, and one word for everything in it: packing and answering each PUBLISH costs
# redis-py many times as much.
_PUBLISH = "for _, one in ipairs(cjson.decode(ARGV[1])) do redis.call('PUBLISH', one[1], one[2]) end"

PAUSE_S = 0.05
"""Time between two round trips while clients come and go: more events then share the cost of one, and nobody
waits for them. After a quiet moment an event is sent at once."""

RETRY_S = 0.5


class EventPublisher:
    """Publishes ``{"token","channel"}`` on ``hornet:events:connect`` and ``:disconnect``, and other events.

    The ``tell`` methods never wait: :meth:`run` sends in the background, several events in one round trip.
    While Redis is away events wait; past ``MAX_WAITING`` the oldest are dropped and counted in ``dropped``.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: deque[tuple[str, str]] = deque()
        self._work = asyncio.Event()
        self._sending = asyncio.Lock()
        self.dropped = 0

    def tell_connect(self, token: str, channels: Iterable[str]) -> None:
        """Publish that the client with ``token`` was subscribed to ``channels``."""
        self._tell(EVENTS_CONNECT, token, channels)

    def tell_disconnect(self, token: str, channels: Iterable[str]) -> None:
        """Publish that the client with ``token`` has left ``channels``."""
        self._tell(EVENTS_DISCONNECT, token, channels)

    def tell(self, topic: str, body: Mapping[str, object]) -> None:
        """Publish another event, in its order among all the others.

        Raises:
            ValueError: JSON can't carry the body.
        """
        self._queue(topic, dump_json(body))

    async def run(self) -> None:
        """Send events until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            await self._send_waiting()

    async def flush(self, timeout_s: float) -> None:
        """Send the events that still wait when Hornet stops; give up at the first failure."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting or self._sending.locked():
                    await self._send_batch()
        except (RedisUnavailable, TimeoutError):
            log.warning("Stopped with %d events unsent", len(self._waiting))

    def _tell(self, topic: str, token: str, channels: Iterable[str]) -> None:
        for channel in channels:
            # Written by hand: a dictionary costs three times as much, for each client that comes or goes.
            self._queue(topic, f'{{"token":{dump_json(token)},"channel":{dump_json(channel)}}}')

    def _queue(self, topic: str, text: str) -> None:
        self._waiting.append((topic, text))
        self._drop_oldest()
        self._work.set()

    def _drop_oldest(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    async def _send_waiting(self) -> None:
        failures = 0
        while self._waiting:
            try:
                await self._send_batch()
            except RedisUnavailable as error:
                log.warning(
                    "Can't tell backends about clients (%s); %d events wait", error, len(self._waiting)
                )
                await asyncio.sleep(backoff_s(failures, RETRY_S))
                failures += 1
            else:
                failures = 0
                await asyncio.sleep(PAUSE_S)

    async def _send_batch(self) -> None:
        """Publish the oldest events. After a failure they wait on: twice is better than not at all.

        There is one batch at a time, since two on their way at once could overtake each other.
        """
        async with self._sending:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._publish(batch)
            except BaseException:  # a cancelled batch may be lost as well
                self._waiting.extendleft(reversed(batch))
                self._drop_oldest()
                raise

    async def _publish(self, batch: list[tuple[str, str]]) -> None:
        if isinstance(self._client, ClusterClient):
            await call(self._client.publish_through, EVENTS_CONNECT, batch)
        else:
            await call(self._client.eval, _PUBLISH, 0, dump_json(batch))
