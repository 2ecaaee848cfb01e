"""A backend as the Redis contract (and nothing of Hornet's own code) lets anyone write one."""

import asyncio
import json
import secrets
from typing import Any

from redis.asyncio import Redis

TOKEN_TTL_S = 120
GATE = "hornet"


class Backend:
    """Makes tokens and publishes, in plain Redis commands."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def token(self, *channels: str) -> str:
        """Store a new one-time token for the channels."""
        token = secrets.token_hex(5)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(f"hornet:token:{token}", *channels)
            pipe.expire(f"hornet:token:{token}", TOKEN_TTL_S)
            await pipe.execute()
        return token

    async def publish(self, channel: str, type: str, **fields: Any) -> int:
        """Publish a message; return how many nodes heard it."""
        return await self.publish_text(channel, json.dumps({"type": type, **fields}))

    async def publish_text(self, channel: str, text: str | bytes) -> int:
        """Publish any text, JSON or not."""
        heard: int = await self.redis.publish(f"hornet:channel:{channel}", text)
        return heard

    async def disconnect_tokens(self, *tokens: str) -> None:
        await self.publish(GATE, "disconnect_tokens", tokens=tokens)

    async def listeners(self, channel: str) -> int:
        """How many nodes listen on the channel now (``PUBSUB NUMSUB``)."""
        [(_, number)] = await self.redis.pubsub_numsub(f"hornet:channel:{channel}")
        return int(number)


async def publish_raw(port: int, channel: str, text: str) -> int:
    """Publish with nothing but a socket and the bytes of the Redis protocol; return how many heard it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    words = [b"PUBLISH", f"hornet:channel:{channel}".encode(), text.encode()]
    writer.write(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b":"), answer
    return int(answer[1:])
