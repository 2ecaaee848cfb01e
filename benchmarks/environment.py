"""The environment of one run: the server under test on its core, its clients, a publisher, and their cost."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import generator, publisher
from benchmarks.errors import RunFailed
from benchmarks.generator import Generator, Report
from benchmarks.machine import Cores
from benchmarks.peers import Peer, Program
from benchmarks.plan import MESSAGE_BYTES
from benchmarks.processes import free_port, running, wait_for_port
from benchmarks.usage import cpu_s, memory_kib, wait_until_settled
from hornet.broker.keys import channel_topic
from hornet.connector import Connector

CHANNEL = "bench"
TOKEN_TTL_S = 600
LAST_OUTPUT_CHARS = 500
"""How much of a server's output an error quotes, from its end."""

GRACE_S = 10.0
"""How much longer than its own deadline a process may take to report."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Messages to publish. Each of them goes to ``receivers`` clients."""

    count: int
    receivers: int
    rate: float | None = None
    """Messages a second; None for a burst with ``window`` messages in flight."""
    window: int = 16
    size_bytes: int = MESSAGE_BYTES
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    deadline_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was delivered of some traffic, and the CPU time that the server spent on it."""

    report: Report
    published: int
    server_cpu_s: float

    @property
    def us_per_delivery(self) -> float:
        return self.server_cpu_s * 1e6 / max(1, self.report.deliveries)

    @property
    def us_per_message(self) -> float:
        return self.server_cpu_s * 1e6 / max(1, self.published)

    @property
    def kept_up(self) -> bool:
        return self.report.deliveries >= self.report.expected


class Environment:
    """A running server, with clients and traffic for it. Made by :func:`running_environment`."""

    def __init__(
        self, peer: Peer, pid: int, port: int, redis_port: int, load: Path, cores: Cores, folder: Path
    ) -> None:
        self.peer = peer
        self.tokens: list[str] = []
        """The tokens of the clients that were connected last, in the order of the clients."""
        self.reports: list[dict[str, Any]] = []
        self._pid = pid
        self._port = port
        self._redis_port = redis_port
        self._load = load
        self._cores = cores
        self._folder = folder
        self._groups = 0

    def cpu_s(self) -> float:
        return cpu_s(self._pid)

    def memory_kib(self) -> int:
        return memory_kib(self._pid)

    def settle(self) -> None:
        """Wait until the server is idle."""
        wait_until_settled(self._pid)

    @contextmanager
    def clients(
        self, count: int, *, poll_every: int = 0, channels: Sequence[Sequence[str]] = ((CHANNEL,),)
    ) -> Iterator[Generator]:
        """Connect ``count`` clients for the length of the block.

        Client ``i`` joins ``channels[i % len(channels)]``. With ``poll_every`` = 10, each tenth polls.
        """
        self._groups += 1
        folder = self._folder / f"clients-{self._groups}"
        folder.mkdir()
        options = ["--protocol", "socketio" if self.peer.socketio else "raw"]
        if self.peer.socketio:
            self.tokens = self._make_tokens(count, channels)
            options += ["--token-file", str(self._write_token_file(folder, channels))]
            options += ["--poll-every", str(poll_every)]
        with generator.connected(self._load, folder, self._cores.load, self._port, count, options) as clients:
            yield clients

    def _make_tokens(self, count: int, channels: Sequence[Sequence[str]]) -> list[str]:
        if not self.peer.hornet:
            return ["bench"] * count
        with Connector(f"redis://127.0.0.1:{self._redis_port}/0", ttl=TOKEN_TTL_S) as connector:
            return [connector.create_access_token(channels[i % len(channels)]) for i in range(count)]

    def _write_token_file(self, folder: Path, channels: Sequence[Sequence[str]]) -> Path:
        path = folder / "tokens"
        with path.open("w") as file:
            for i, token in enumerate(self.tokens):
                credentials = json.dumps({"token": token, "channels": list(channels[i % len(channels)])})
                file.write("42" + json.dumps(["message", credentials], separators=(",", ":")) + "\n")
        return path

    def send(self, clients: Generator, traffic: Traffic, watch: Callable[[], None] = lambda: None) -> Outcome:
        """Publish ``traffic`` and wait until all of it has arrived, or its deadline is over.

        ``watch`` is called about every 0.1 s meanwhile, and takes its time from the cores of the load.

        Raises:
            RunFailed: the generator or the publisher ended early.
        """
        clients.arm(traffic.count * traffic.receivers, traffic.deadline_s)
        before = self.cpu_s()
        words = [sys.executable, "-S", str(publisher.__file__), *self._publisher_options(clients, traffic)]
        with running(words, self._cores.load, stdout=subprocess.PIPE) as process:
            report = clients.report(traffic.deadline_s + GRACE_S, watch)
            used = self.cpu_s() - before
            published = process.communicate(timeout=GRACE_S)[0]
        if not published:
            raise RunFailed("the publisher ended before it had published everything")
        self.reports.append(dataclasses.asdict(report))
        return Outcome(report, int(published), used)

    def _publisher_options(self, clients: Generator, traffic: Traffic) -> list[str]:
        options: dict[str, object] = {
            "port": self._redis_port,
            "channel": channel_topic(CHANNEL),
            "count": traffic.count,
            "size": traffic.size_bytes,
            "deadline": traffic.deadline_s,
        }
        if traffic.rate is None:
            options |= {
                "window": traffic.window,
                "deliveries": traffic.receivers,
                "progress": clients.progress,
            }
        else:
            options["rate"] = traffic.rate
        if traffic.extra:
            options["extra-file"] = self._folder / "extra.json"
            (self._folder / "extra.json").write_text(json.dumps(traffic.extra))
        return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@contextmanager
def running_environment(
    peer: Peer, program: Program, redis_port: int, load: Path, cores: Cores
) -> Iterator[Environment]:
    """Start the server for the length of the block. It listens and is idle when the block begins.

    Raises:
        RunFailed: the server does not start; the message quotes the end of its output.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hornet-benchmark-") as name:
        folder = Path(name)
        output = folder / "server.log"
        with (
            output.open("wb") as log,
            running(
                program.command(port, redis_port),
                cores.server,
                env=program.environment(),
                cwd=program.cwd,
                stdout=log,
                stderr=log,
            ) as server,
        ):
            try:
                wait_for_port(port, server)
            except RunFailed as error:
                end = " ".join(output.read_text(errors="replace").split())[-LAST_OUTPUT_CHARS:]
                raise RunFailed(f"{peer.title} does not start: {error}: {end}") from None
            environment = Environment(peer, server.pid, port, redis_port, load, cores, folder)
            environment.settle()
            yield environment
