"""The backend of a run: makes tokens and publishes, in plain Redis commands, while Redis is there."""

from __future__ import annotations

import asyncio
import json
import random
import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.soak.expected_deliveries import Entry, ExpectedDeliveries

CHANNELS = tuple(f"channel-{number}" for number in range(10))
BIG = "big"
"""Messages of 300 kB, for clients that don't read them."""

PUBLISH_EVERY_S = 0.02
BIG_EVERY = 25
TOKEN_TTL_S = 60


class Backend:
    """Publishes numbered messages; ``pause`` while Redis is taken away."""

    def __init__(self, url: str, expected: ExpectedDeliveries) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._expected = expected
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self.published = 0
        self.unheard = 0

    async def token(self, *channels: str) -> str:
        """A new token; waits until Redis takes it."""
        token = secrets.token_hex(6)
        while True:
            try:
                async with self._redis.pipeline() as pipe:
                    pipe.sadd(f"hornet:token:{token}", *channels)
                    pipe.expire(f"hornet:token:{token}", TOKEN_TTL_S)
                    await pipe.execute()
            except (RedisError, OSError):
                await asyncio.sleep(0.2)
            else:
                return token

    async def pause(self) -> None:
        """Publish no more; returns when the last one is out."""
        self._open.clear()
        await self._idle.wait()

    def go_on(self) -> None:
        self._open.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        loop = asyncio.get_running_loop()
        for number in range(1, 1_000_000_000):
            if not self._open.is_set():
                self._idle.set()
                await self._open.wait()
                self._idle.clear()
            channel = random.choice(CHANNELS)
            began = loop.time()
            nodes = await self._publish(channel, {"type": "n", "number": number, "text": "x" * 200})
            if nodes:
                self.published += 1
                self._expected.add(Entry(number, channel, began, loop.time()))
            else:
                self.unheard += 1
            if number % BIG_EVERY == 0:
                await self._publish(BIG, {"type": "big", "text": "x" * 300_000})
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _publish(self, channel: str, message: dict[str, object]) -> int:
        """How many nodes heard it; 0 too where Redis is away."""
        try:
            heard: int = await self._redis.publish(f"hornet:channel:{channel}", json.dumps(message))
        except (RedisError, OSError):
            return 0
        return heard

    async def close(self) -> None:
        await self._redis.aclose()
