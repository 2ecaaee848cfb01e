"""The process of the load generator, and the reports that it prints."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.errors import RunFailed
from benchmarks.processes import running

READY_DEADLINE_S = 90.0
LIFE_S = 300.0
"""The generator ends by itself after this time, even if the benchmark was killed."""

ANSWER_S = 10.0
WATCH_S = 0.1
FAREWELL_S = 2.0
"""How long stalled clients read before the generator counts those that the server has disconnected."""


@dataclass(frozen=True, slots=True)
class Latency:
    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Report:
    """One measurement. Times of :class:`Latency` are milliseconds from publish to read."""

    expected: int
    deliveries: int
    wall_s: float
    latency_ms: Latency
    websocket_ms: Latency
    polling_ms: Latency
    receivers: int
    """Clients that got anything."""
    least_per_client: int
    most_per_client: int
    out_of_order: int
    unmarked: int
    stray_before: int
    """Deliveries between the previous report and this measurement: they were late, or came twice."""
    dropped: int
    """Ready clients that the server has closed since the start."""
    stalled_dropped: int
    bytes: int
    reads: int
    generator_cpu_s: float
    recovered: int = 0
    """Clients that came back to the session that they had. The next fields count the others, in two kinds."""
    fresh: int = 0
    failed: int = 0
    to_recovered: int = 0
    """Deliveries to clients whose session was recovered."""
    repeated: int = 0
    returned_s: float = 0.0
    """The time in which all clients came back, and the time until they had everything that they missed."""
    all_back_s: float = 0.0

    @property
    def wrong(self) -> int:
        """Deliveries that are missing, too many, out of order, or late from before."""
        return abs(self.expected - self.deliveries) + self.out_of_order + self.stray_before


def parse_report(line: str) -> Report:
    """Parse a report, which the generator prints as one line of JSON."""
    fields: dict[str, Any] = json.loads(line)
    for name in ("latency_ms", "websocket_ms", "polling_ms"):
        fields[name] = Latency(**fields[name])
    return Report(**fields)


class Generator:
    """Clients that are connected and have joined their channels. Made by :func:`connected`."""

    def __init__(self, process: subprocess.Popen[bytes], progress: Path, complaints: Path) -> None:
        self.progress = progress
        self.connect_s = 0.0
        self.recoverable = 0
        """How many clients were told how to recover their sessions."""
        self._process = process
        self._complaints = complaints
        self._unread = b""

    def arm(self, deliveries: int, deadline_s: float) -> None:
        """Count deliveries from now on, up to ``deliveries``."""
        self._command(f"run {deliveries} {deadline_s}", "ARMED")

    def stall(self, count: int) -> None:
        """Stop reading for the last ``count`` clients."""
        self._command(f"stall {count}", "STALLED")

    def count_disconnected(self) -> tuple[int, int]:
        """Return how many stalled clients the server has disconnected, and how many of the others.

        To notice that, the stalled clients read again, up to the end of what was sent to them.
        """
        self._command("resume", "RESUMED")
        self.arm(1, FAREWELL_S)
        report = self.report(FAREWELL_S + ANSWER_S)
        return report.stalled_dropped, report.dropped

    def expect(self, deliveries: int, seconds: float) -> None:
        """Change the number of deliveries that the measurement under way waits for, and its deadline."""
        self._command(f"expect {deliveries} {seconds}", "EXPECTED")

    def cut(self) -> None:
        """Cut the connections of all clients that can recover their sessions."""
        self._command("cut", "CUT")

    def wait_until_away(self, count: int) -> None:
        """Wait until ``count`` clients have lost their connections, and may come back.

        Raises:
            RunFailed: they did not lose them.
        """
        until = time.monotonic() + ANSWER_S
        while self._ask("away") != f"AWAY {count}":
            if time.monotonic() > until:
                raise RunFailed("clients kept their connections to a server that is gone")
            time.sleep(WATCH_S)

    def come_back(self, port: int, missed: int) -> None:
        """Connect the clients that are away to another server; each of them missed ``missed`` messages.

        The measurement under way ends when all are back and have what they missed. It waits for nothing more
        for clients that got another session.
        """
        self._command(f"return {port} {missed}", "RETURNING")

    def report(self, deadline_s: float, watch: Callable[[], None] = lambda: None) -> Report:
        """Wait for the end of the measurement and return its report; meanwhile, call ``watch`` repeatedly.

        Raises:
            RunFailed: the generator has ended, or does not report in time.
        """
        return parse_report(self._line(deadline_s, watch))

    def wait_until_ready(self) -> None:
        """Wait until every client is connected and has joined its channels.

        Raises:
            RunFailed: a client could not connect, or was refused.
        """
        word, _, text = self._line(READY_DEADLINE_S + ANSWER_S).partition(" ")
        if word != "READY":
            raise RunFailed(f"the load generator answered {word!r} instead of 'READY'")
        ready = json.loads(text)
        if ready["failed"] or not ready["ready"]:
            raise RunFailed(f"{ready['failed']} clients were not let in: {self.last_complaints()}")
        self.connect_s = ready["connect_s"]
        self.recoverable = ready["recoverable"]

    def _command(self, line: str, expected: str) -> None:
        if (answer := self._ask(line)) != expected:
            raise RunFailed(f"the load generator answered {answer!r} instead of {expected!r}")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            raise RunFailed(f"the load generator has ended: {self.last_complaints()}") from None
        return self._line(ANSWER_S)

    def _line(self, deadline_s: float, watch: Callable[[], None] = lambda: None) -> str:
        assert self._process.stdout is not None
        until = time.monotonic() + deadline_s
        while b"\n" not in self._unread:
            if time.monotonic() > until:
                raise RunFailed(f"the load generator did not answer within {deadline_s:.0f} s")
            if select.select([self._process.stdout], [], [], WATCH_S)[0]:
                more = os.read(self._process.stdout.fileno(), 65536)
                if not more:
                    raise RunFailed(f"the load generator has ended: {self.last_complaints()}")
                self._unread += more
            watch()
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def last_complaints(self) -> str:
        """Return the last lines that the generator printed about clients that failed."""
        lines = self._complaints.read_text(errors="replace").splitlines()
        return "; ".join(lines[-3:]) or "it printed nothing"


@contextmanager
def connected(
    program: Path, folder: Path, cores: Collection[int], port: int, clients: int, options: Sequence[str]
) -> Iterator[Generator]:
    """Connect ``clients`` for the length of the block. All of them are ready when the block begins.

    Raises:
        RunFailed: a client could not connect, or was refused.
    """
    progress, complaints = folder / "progress", folder / "load.log"
    words = ["--port", str(port), "--clients", str(clients), "--progress", str(progress)]
    limits = ["--ready-deadline", str(READY_DEADLINE_S), "--life", str(LIFE_S)]
    with (
        complaints.open("wb") as log,
        running(
            [str(program), *words, *limits, *options],
            cores,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        generator = Generator(process, progress, complaints)
        generator.wait_until_ready()
        yield generator
