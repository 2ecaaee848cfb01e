"""A real ``hornet-server`` process, as an operator starts it."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import IO

from tests.e2e.waiting import DEADLINE_S

PORTS = range(20_000, 32_000)
MOST_WORKERS = 8
LISTENS = re.compile(r"https?://(?:127\.0\.0\.1|localhost):(\d+)")


def _shuffled_ports() -> list[int]:
    """Return this process's ports, from a random one on. Processes of one test run share none of them."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = PORTS[worker % MOST_WORKERS :: MOST_WORKERS]
    first = secrets.randbelow(len(ports))
    return [*ports[first:], *ports[:first]]


_ports = cycle(_shuffled_ports())


SERVE = """
import sys
{}
from hornet.cli import serve
sys.exit(serve())
"""
LOOPS = {"uvloop": "", "asyncio": "sys.modules.update(uvloop=None, hiredis=None)"}
"""What runs before the server and decides its event loop: the second can't import the extra ``speed``."""


def program(loop: str = "uvloop", before: str = "") -> tuple[str, ...]:
    """Return the words that start the server on a loop of ``LOOPS``, after the Python of ``before``."""
    return sys.executable, "-c", SERVE.format("\n".join((LOOPS[loop], before)))


class ServerError(AssertionError):
    """The server did not do what an operator may expect. The text holds all its output."""


def server_environment() -> dict[str, str]:
    """Return this process's environment without the settings that Hornet would read from it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HORNET_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Return a port without a listener, which this process has not returned before.

    The kernel does not give this port to clients (32768 and up on Linux) or for port 0, and each process of
    a test run has ports of its own. So nobody takes the port before the program that it is for.
    """
    while True:
        port: int = next(_ports)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """A server that runs from construction until ``stop`` or ``kill``, in a process group of its own.

    Its output is read at once, so the server never blocks on a full pipe.
    """

    def __init__(self, *options: str, program: tuple[str, ...] = (), cwd: Path | None = None) -> None:
        self._lines: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [*(program or (sys.executable, "-m", "hornet")), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=server_environment(),
            cwd=cwd,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True)
            for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, pipe: IO[str]) -> None:
        with pipe:
            for line in pipe:
                with self._changed:
                    self._lines.append((name, line))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def text(self, *streams: str) -> str:
        """Return what was printed so far on the named streams, in the order in which it was read."""
        with self._changed:
            return "".join(line for name, line in self._lines if name in streams)

    @property
    def stdout(self) -> str:
        return self.text("stdout")

    @property
    def stderr(self) -> str:
        return self.text("stderr")

    @property
    def output(self) -> str:
        return self.text("stdout", "stderr")

    def wait_for_output(
        self, pattern: str | re.Pattern[str], deadline_s: float = DEADLINE_S
    ) -> re.Match[str]:
        """Wait for a match in all output, and return the first.

        Raises:
            ServerError: the deadline passed, or the process ended, without a match.
        """
        until = time.monotonic() + deadline_s
        while True:
            ended = not any(reader.is_alive() for reader in self._readers)
            with self._changed:
                text = "".join(line for _, line in self._lines)
                if match := re.search(pattern, text):
                    return match
                left = until - time.monotonic()
                if left <= 0 or ended:
                    why = "ended" if ended else f"did not within {deadline_s} s"
                    raise ServerError(f"expected to print {pattern!r} but {why}:\n{text}")
                self._changed.wait(min(left, 0.2))

    @property
    def url(self) -> str:
        """Where the server listens, as its start-up block says. Waits for that block."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self.wait_for_output(LISTENS).group(1))

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for the process to end by itself, and return its exit code.

        Raises:
            ServerError: the process still runs after the deadline.
        """
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"still runs after {deadline_s} s:\n{self.output}") from None
        for reader in self._readers:
            reader.join(1)
        return code

    def stop(self) -> int:
        """Ask the server to stop as systemd or Docker would (SIGTERM), and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End the server without letting it do anything more (SIGKILL)."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def sweep(self) -> None:
        """Kill the server, in any state, and all processes that it left in its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
