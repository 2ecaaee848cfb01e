"""A network in which WebSockets are slow, so that an upgrade takes long enough to publish during it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK_BYTES = 65536


@asynccontextmanager
async def slow_websockets(port: int, lag_s: float) -> AsyncIterator[str]:
    """Yield the URL of a proxy for 127.0.0.1:``port``. What WebSockets carry is late by ``lag_s``."""
    connections: set[asyncio.Task[None]] = set()

    def accept(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(pass_on(client, to_client, port, lag_s)))

    proxy = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    proxy.close()
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def pass_on(
    client: asyncio.StreamReader, to_client: asyncio.StreamWriter, port: int, websocket_lag_s: float
) -> None:
    """Carry one connection until both its directions have ended."""
    server, to_server = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = await client.read(CHUNK_BYTES)
        lag_s = websocket_lag_s if b"upgrade: websocket" in request.lower() else 0
        await asyncio.sleep(lag_s)
        to_server.write(request)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(carry(client, to_server, lag_s))
            ways.create_task(carry(server, to_client, lag_s))
    finally:
        for writer in (to_server, to_client):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, lag_s: float) -> None:
    """Copy one direction of a connection until it ends."""
    with suppress(ConnectionError):
        while chunk := await source.read(CHUNK_BYTES):
            await asyncio.sleep(lag_s)
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
