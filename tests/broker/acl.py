"""Real users of Redis with limited rights."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from tests.broker.servers import RedisServer

PASSWORD = "secret-of-app"
NODE = (
    "resetkeys %RW~hornet:* %RW~{hornet:* resetchannels &hornet:* &socketio &socket.io#/#* "
    "-@all +@read +@write -@dangerous +@pubsub +@connection +eval +time"
)
"""The rules for a node from docs/topics/security.md."""

BETWEEN_NODES = "&hornet:ask &hornet:answer:* &hornet:node:* &hornet:probe:*"
"""What a node with narrower rules than NODE needs beside its channels."""


@asynccontextmanager
async def limited(server: RedisServer, *rules: str) -> AsyncIterator[Redis]:
    """An administrator, after the user ``app`` got ``rules``; :func:`url_of` is where that user enters."""
    async with Redis(port=server.port) as admin:
        await admin.execute_command("ACL SETUSER", "app", "on", f">{PASSWORD}", *rules)
        yield admin


async def grant(admin: Redis, *rules: str) -> None:
    await admin.execute_command("ACL SETUSER", "app", *rules)


def url_of(server: RedisServer) -> str:
    return f"redis://app:{PASSWORD}@127.0.0.1:{server.port}/0"
