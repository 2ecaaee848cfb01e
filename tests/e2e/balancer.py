"""A balancer in front of several nodes: the test decides to which one it leads, and cuts its connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.slow_proxy import pass_on


class Balancer:
    """Leads new connections to ``port``; None refuses them."""

    def __init__(self, port: int) -> None:
        self.port: int | None = port
        self.url = ""
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Carry one connection, or close it at once."""
        if self.port is None:
            to_client.transport.abort()
            return
        self._writers.add(to_client)
        task = asyncio.create_task(pass_on(client, to_client, self.port, 0))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: self._writers.discard(to_client))

    async def cut(self) -> None:
        """End all connections, as a lost network does."""
        tasks = list(self._connections)
        for writer in self._writers:
            writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def balancing(port: int) -> AsyncIterator[Balancer]:
    """Run a balancer that leads to the node on ``port`` at first."""
    balancer = Balancer(port)
    server = await asyncio.start_server(balancer.accept, "127.0.0.1", 0)
    balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield balancer
    finally:
        server.close()
        await balancer.cut()
