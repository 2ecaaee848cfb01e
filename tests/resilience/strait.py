"""A network between Hornet and Redis that a test may make slow: late, stalled, or one byte at a time.

It may also swallow what one side of a subscription connection sends, while all other connections work.
"""

import asyncio
from contextlib import suppress
from types import TracebackType

CHUNK_BYTES = 65536

Due = asyncio.Queue[tuple[float, bytes]]
"""Bytes with the time at which they are due. No bytes mean the end of the stream."""


class Link:
    """One connection through the strait. ``to_hornet`` and ``to_redis`` are False where bytes get lost."""

    def __init__(self, flows: asyncio.Event) -> None:
        self.flows = flows
        self.is_subscription = False
        self.to_hornet = True
        self.to_redis = True


class Strait:
    """A TCP port that forwards to ``port``, in both directions as its attributes say at that time.

    ``delay_s``: bytes go out so much later than they came in, in the same order and at the same rate.
    ``trickle_s``: each byte takes that long. After :meth:`stall`, bytes are taken in, but none goes out.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[Link] = set()
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
        """Forward without any delay. Bytes that were held back go first."""
        self.delay_s = self.trickle_s = 0.0
        self._flows.set()

    def abandon(self) -> None:
        """Forward nothing more on the connections there are, without closing them. New connections flow."""
        self.stall()
        self._flows = asyncio.Event()
        self.flow()

    def deafen(self) -> None:
        """Let what Redis sends on the subscription connections there are get lost. New connections flow."""
        for link in self._subscriptions():
            link.to_hornet = False

    def mute(self) -> None:
        """Let what Hornet sends on the subscription connections there are get lost. New connections flow."""
        for link in self._subscriptions():
            link.to_redis = False

    def _subscriptions(self) -> list[Link]:
        links = [link for link in self._links if link.is_subscription]
        assert links
        return links

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(self._flows)
        self._links.add(link)
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._copy(reader, forth, link, "to_redis"))
                ways.create_task(self._copy(back, writer, link, "to_hornet"))
        finally:
            self._links.discard(link)
            for end in (forth, writer):
                end.close()  # both before the first wait, which may be cancelled
            for end in (forth, writer):
                with suppress(ConnectionError):
                    await end.wait_closed()

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: Link, way: str
    ) -> None:
        """Take bytes in, also while earlier bytes wait until they are due."""
        loop = asyncio.get_running_loop()
        on_the_way: Due = asyncio.Queue()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._put_out(on_the_way, sink, link.flows))
            with suppress(ConnectionError):
                while data := await source.read(CHUNK_BYTES):
                    link.is_subscription = link.is_subscription or b"SUBSCRIBE\r\n" in data
                    if not getattr(link, way):
                        continue
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
