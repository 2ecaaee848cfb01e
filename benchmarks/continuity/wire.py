"""One TCP connection that is passed on to another port, and that can be cut, or silenced without a word."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

BLOCK = 1 << 16
STOP_STEP_S = 0.1

Change = Callable[[bytes], bytes]
"""Sees the bytes of one direction, and returns those to pass on."""


def unchanged(data: bytes) -> bytes:
    return data


class Listener(ABC):
    """Listens on ``port``, and handles each connection by :meth:`handle`."""

    def __init__(self) -> None:
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @abstractmethod
    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is closed afterwards."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end every connection."""
        if self._server is not None:
            self._server.close()
        while self._tasks:
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.wait(self._tasks, timeout=STOP_STEP_S)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self.handle(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # a side is gone, or said nothing
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)


class Wire:
    """Passes bytes on in both directions while ``open`` is set, and holds them back while it is not."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        open_: asyncio.Event | None = None,
        *,
        to_server: Change = unchanged,
        to_client: Change = unchanged,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._server: asyncio.StreamWriter | None = None
        self._open = open_
        self._to_server, self._to_client = to_server, to_client

    async def run(self, port: int, first: bytes = b"") -> None:
        """Connect to ``port``, send ``first``, and pass bytes on until one side ends.

        Raises:
            OSError: nothing listens on that port.
        """
        from_server, self._server = await asyncio.open_connection("127.0.0.1", port)
        try:
            self._server.write(self._to_server(first))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(self._reader, self._server, self._to_server))
                both.create_task(self._pass_on(from_server, self._writer, self._to_client))
        except* OSError:
            pass
        finally:
            self.cut()

    def cut(self) -> None:
        """End the connection on both sides at once; what is still on its way is lost."""
        for writer in (self._writer, self._server):
            if writer is not None:
                writer.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change
    ) -> None:
        while data := await reader.read(BLOCK):
            if self._open is not None:
                await self._open.wait()
            writer.write(change(data))
            await writer.drain()
        with suppress(OSError):
            await asyncio.sleep(0)
            writer.close()
