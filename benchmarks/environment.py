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
from benchmarks.publishing import GRACE_S, LAST_OUTPUT_CHARS, Publishing
from benchmarks.usage import cpu_s, memory_kib, wait_until_settled
from hornet.broker.keys import channel_topic
from hornet.connector import Connector

CHANNEL = "bench"
TOKEN_TTL_S = 600
IN_FLIGHT = 128
"""How many clients may be connecting at a time."""


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
    form: str = "plain"
    """How it is published, as the publisher's option ``--form`` names it."""
    channel: str = CHANNEL
    rooms: int = 0
    """Publish on so many channels in turn: ``channel-0``, ``channel-1`` and so on."""


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
        self,
        peer: Peer,
        program: Program,
        process: subprocess.Popen[bytes],
        port: int,
        redis_port: int,
        load: Path,
        cores: Cores,
        folder: Path,
    ) -> None:
        self.peer = peer
        self.port = port
        self.redis_port = redis_port
        self.tokens: list[str] = []
        """The tokens of the clients that were connected last, in the order of the clients."""
        self.reports: list[dict[str, Any]] = []
        self._program = program
        self._process = process
        self._pid = process.pid
        self._load = load
        self._cores = cores
        self._folder = folder

    def cpu_s(self) -> float:
        return cpu_s(self._pid)

    def memory_kib(self) -> int:
        return memory_kib(self._pid)

    @contextmanager
    def another_node(self) -> Iterator[Environment]:
        """Run a second server of the same program, at the same Redis, for the length of the block."""
        with _running_server(
            self.peer, self._program, self.redis_port, self._load, self._cores, self._folder
        ) as node:
            node.reports = self.reports
            yield node

    def kill(self) -> None:
        """Kill the server, so that it can't say anything to anyone, and wait until it is gone."""
        self._process.kill()
        self._process.wait(GRACE_S)

    def settle(self) -> None:
        """Wait until the server is idle."""
        wait_until_settled(self._pid)

    @contextmanager
    def clients(
        self,
        count: int,
        *,
        poll_every: int = 0,
        channels: Sequence[Sequence[str]] = ((CHANNEL,),),
        auth: Mapping[str, Any] | None = None,
        in_flight: int = IN_FLIGHT,
    ) -> Iterator[Generator]:
        """Connect ``count`` clients for the length of the block, ``in_flight`` at a time.

        Client ``i`` joins ``channels[i % len(channels)]``. With ``poll_every`` = 10, each tenth polls. With
        ``auth``, clients show token, channels and these fields when they connect, else as a first message.
        """
        folder = Path(tempfile.mkdtemp(prefix="clients-", dir=self._folder))
        options = ["--protocol", "socketio" if self.peer.socketio else "raw"]
        if self.peer.socketio:
            self.tokens = self._make_tokens(count, channels)
            options += ["--token-file", str(self._write_token_file(folder, channels, auth))]
            options += ["--poll-every", str(poll_every), "--in-flight", str(in_flight)]
        if auth is not None:
            options += ["--auth", "1", "--ready-marker", "connected"]
        with generator.connected(self._load, folder, self._cores.load, self.port, count, options) as clients:
            yield clients

    def _make_tokens(self, count: int, channels: Sequence[Sequence[str]]) -> list[str]:
        if not self.peer.hornet:
            return ["bench"] * count
        with Connector(f"redis://127.0.0.1:{self.redis_port}/0", ttl=TOKEN_TTL_S) as connector:
            return [connector.create_access_token(channels[i % len(channels)]) for i in range(count)]

    def _write_token_file(
        self, folder: Path, channels: Sequence[Sequence[str]], auth: Mapping[str, Any] | None
    ) -> Path:
        path = folder / "tokens"
        with path.open("w") as file:
            for i, token in enumerate(self.tokens):
                fields = {"token": token, "channels": list(channels[i % len(channels)]), **(auth or {})}
                credentials = json.dumps(fields)
                if auth is None:
                    credentials = "42" + json.dumps(["message", credentials], separators=(",", ":"))
                file.write(f"{credentials}\n")
        return path

    def send(self, clients: Generator, traffic: Traffic, watch: Callable[[], None] = lambda: None) -> Outcome:
        """Publish ``traffic`` and wait until all of it has arrived, or its deadline is over.

        ``watch`` is called about every 0.1 s meanwhile, and takes its time from the cores of the load.

        Raises:
            RunFailed: the generator or the publisher ended early.
        """
        clients.arm(traffic.count * traffic.receivers, traffic.deadline_s)
        before = self.cpu_s()
        with self.publishing(traffic, clients.progress) as publishing:

            def watch_both() -> None:
                publishing.check()
                watch()

            report = clients.report(traffic.deadline_s + GRACE_S, watch_both)
            used = self.cpu_s() - before
            published = publishing.wait()
        self.reports.append(dataclasses.asdict(report))
        return Outcome(report, published, used)

    @contextmanager
    def publishing(self, traffic: Traffic, progress: Path | None = None) -> Iterator[Publishing]:
        """Publish ``traffic`` during the block. A burst needs the file of its clients' ``progress``."""
        options = self._publisher_options(traffic, progress)
        words = [sys.executable, "-S", str(publisher.__file__), *options]
        with running(
            words, self._cores.load, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            yield Publishing(process, traffic.deadline_s + GRACE_S)

    def _publisher_options(self, traffic: Traffic, progress: Path | None) -> list[str]:
        options: dict[str, object] = {
            "port": self.redis_port,
            "channel": channel_topic(traffic.channel),
            "form": traffic.form,
            "count": traffic.count,
            "size": traffic.size_bytes,
            "deadline": traffic.deadline_s,
        }
        if traffic.rate is None:
            options |= {
                "window": traffic.window,
                "deliveries": traffic.receivers,
                "progress": progress,
            }
        else:
            options["rate"] = traffic.rate
        if traffic.rooms:
            options["rooms"] = traffic.rooms
        if traffic.extra:
            options["extra-file"] = self._folder / "extra.json"
            (self._folder / "extra.json").write_text(json.dumps(traffic.extra))
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return words if traffic.rate is None else [*words, "--until-input-ends"]


@contextmanager
def running_environment(
    peer: Peer, program: Program, redis_port: int, load: Path, cores: Cores
) -> Iterator[Environment]:
    """Start the server for the length of the block. It listens and is idle when the block begins.

    Raises:
        RunFailed: the server does not start; the message quotes the end of its output.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hornet-benchmark-") as name,
        _running_server(peer, program, redis_port, load, cores, Path(name)) as environment,
    ):
        yield environment


@contextmanager
def _running_server(
    peer: Peer, program: Program, redis_port: int, load: Path, cores: Cores, folder: Path
) -> Iterator[Environment]:
    port = free_port()
    output = folder / f"server-{port}.log"
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
        environment = Environment(peer, program, server, port, redis_port, load, cores, folder)
        environment.settle()
        yield environment
