"""A network between Hornet and Redis that a test may make slow: late, stalled, or a few bytes at a time."""

import asyncio
from contextlib import suppress
from types import TracebackType

CHUNK_BYTES = 65536

Due = asyncio.Queue[tuple[float, bytes]]
"""Bytes with the moment at which they are due; none at the end."""


class Strait:
    """A TCP port that forwards to ``port``, in both directions as its attributes say at the moment.

    ``delay_s``: what comes in goes out so much later; the order stays, and the rate too. ``trickle_s``: each
    byte takes that long. While :meth:`stall` holds, nothing goes on, but all is taken in.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.delay_s = 0.0
        self.trickle_s = 0.0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> "Strait":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> None:
        self._flows.clear()

    def flow(self) -> None:
        """As fast as a network is, with what was held back first."""
        self.delay_s = self.trickle_s = 0.0
        self._flows.set()

    def abandon(self) -> None:
        """Nothing goes on, for good, on the connections there are, and nobody is told; new ones flow."""
        self.stall()
        self._flows = asyncio.Event()
        self.flow()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flows = self._flows
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._copy(reader, forth, flows))
                ways.create_task(self._copy(back, writer, flows))
        finally:
            for one in (forth, writer):
                one.close()
                with suppress(ConnectionError):
                    await one.wait_closed()

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        """Taking in goes on while what was taken in waits for its time."""
        loop = asyncio.get_running_loop()
        on_the_way: Due = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._put_out(on_the_way, sink, flows))
            with suppress(ConnectionError):
                while data := await source.read(CHUNK_BYTES):
                    on_the_way.put_nowait((loop.time() + self.delay_s, data))
            on_the_way.put_nowait((loop.time() + self.delay_s, b""))

    async def _put_out(self, on_the_way: Due, sink: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # its other end has gone
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await flows.wait()
                if not data:
                    sink.write_eof()
                    return
                while data:
                    size = 1 if self.trickle_s else len(data)
                    sink.write(data[:size])
                    await sink.drain()
                    data = data[size:]
                    if data and self.trickle_s:
                        await asyncio.sleep(self.trickle_s)
                        await flows.wait()
