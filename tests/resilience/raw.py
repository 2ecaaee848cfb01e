"""Connections that send what the client of no library would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.e2e.waiting import DEADLINE_S
from tests.resilience.conftest import Watched

WAIT_S = DEADLINE_S

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def raw(watched: Watched) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", watched.server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ask(watched: Watched, data: bytes) -> bytes:
    """Return status line and headers of the answer, or nothing when the connection is cut without one."""
    async with raw(watched) as (reader, writer):
        writer.write(data)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(WAIT_S):
                return await reader.readuntil(b"\r\n\r\n")
    return b""


async def status(watched: Watched, data: bytes) -> int:
    """Return the status of the answer, or 0 when the connection is cut without an answer."""
    head = await ask(watched, data)
    return int(head.split(b" ", 2)[1]) if head else 0
