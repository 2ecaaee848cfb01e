"""The backend of a run. It makes tokens and publishes, with plain Redis commands, while Redis runs."""

from __future__ import annotations

import asyncio
import json
import random
import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

from benchmarks.soak.expected_deliveries import ExpectedDeliveries, Published

CHANNELS = tuple(f"channel-{number}" for number in range(10))
BIG = "big"
"""The channel of messages of 300 kB, for the abusive clients that don't read."""

PUBLISH_EVERY_S = 0.02
BIG_EVERY = 25
TOKEN_TTL_S = 60


class Backend:
    """Publishes numbered messages; ``pause`` before Redis is killed, ``resume`` when it runs again."""

    def __init__(self, url: str, expected: ExpectedDeliveries) -> None:
        self._redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._expected = expected
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self.published = 0
        self.without_receiver = 0

    async def token(self, *channels: str) -> str:
        """Make a new token; wait until Redis has stored it."""
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
        """Stop publishing; return when the last message is published."""
        self._open.clear()
        await self._idle.wait()

    def resume(self) -> None:
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
                self._expected.add(Published(number, channel, began, loop.time()))
            else:
                self.without_receiver += 1
            if number % BIG_EVERY == 0:
                await self._publish(BIG, {"type": "big", "text": "x" * 300_000})
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _publish(self, channel: str, message: dict[str, object]) -> int:
        """Publish a message. Return how many nodes received it, or 0 while Redis is away."""
        try:
            nodes: int = await self._redis.publish(f"hornet:channel:{channel}", json.dumps(message))
        except (RedisError, OSError):
            return 0
        return nodes

    async def close(self) -> None:
        await self._redis.aclose()
