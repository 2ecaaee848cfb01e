"""What the try-it page may do: get a token for the channel ``demo``, and publish on that channel."""

from __future__ import annotations

import time

from hornet.broker.client import Client, call
from hornet.broker.keys import channel_topic
from hornet.broker.tokens import TokenStore
from hornet.core.jsontext import dump_json
from hornet.core.tokens import DEFAULT_TOKEN_TTL_S, create_token

DEMO_CHANNEL = "demo"
MAX_TEXT_CHARS = 280
PUBLISHES_PER_S = 5


class Demo:
    """The two things a visitor may ask for. Nothing here reaches any other channel."""

    def __init__(self, client: Client, tokens: TokenStore) -> None:
        self._client = client
        self._tokens = tokens
        self._published: list[float] = []

    async def token(self) -> str:
        """A fresh token for the demo channel.

        Raises:
            RedisUnavailable: try again later.
        """
        token = create_token()
        await self._tokens.create(token, (DEMO_CHANNEL,), DEFAULT_TOKEN_TTL_S)
        return token

    async def publish(self, text: str) -> bool:
        """Publish a short text as type ``hello``; False when visitors publish too fast.

        Raises:
            RedisUnavailable: nothing is known to be published.
        """
        now = time.monotonic()
        self._published = [moment for moment in self._published if now - moment < 1]
        if len(self._published) >= PUBLISHES_PER_S:
            return False
        self._published.append(now)
        body = dump_json({"type": "hello", "text": text[:MAX_TEXT_CHARS]})
        await call(self._client.publish, channel_topic(DEMO_CHANNEL), body)
        return True
