"""The processes of a run: a Valkey that is killed again and again, and a server that must survive that."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from benchmarks.processes import free_port, running, wait_for_port
from benchmarks.valkey import valkey_command

STOP_S = 20.0

SHORT_TIMES = (
    *("--redis-timeout", "1", "--redis-heartbeat", "1", "--handshake-timeout", "2", "--auth-timeout", "5"),
    *("--connect-timeout", "5", "--ping-interval", "5", "--ping-timeout", "5", "--drain-window", "1"),
)
"""Shorter times than in production, so that a run of minutes sees as many timeouts as hours would."""


class Redis:
    """A Valkey on one port, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._stack = ExitStack()
        self.start()

    def start(self) -> None:
        command = valkey_command(self.port, str(self._folder))
        self._process = self._stack.enter_context(running(command, _cores(), stderr=subprocess.DEVNULL))
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        """Kill the process, so that it can't close its connections in order."""
        self._stack.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Server:
    """``hornet-server``, which logs JSON lines into a file."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def memory_kib(self) -> int:
        """Return the resident memory of the server that no file holds."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        resident = re.search(r"^RssAnon:\s+(\d+)", status, re.MULTILINE)
        return int(resident[1]) if resident else 0

    def stop(self) -> int:
        """Ask the server to stop. Return its exit code, or -1 if it did not stop within ``STOP_S``."""
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(STOP_S)
        return -1

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read the log. A line that is not JSON becomes an error: the server must not write such lines."""
        for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                fields = json.loads(line)
            except ValueError:
                fields = {"level": "error", "message": f"not JSON: {line}"}
            yield fields


@contextmanager
def running_environment(folder: Path) -> Iterator[tuple[Redis, Server]]:
    """Run Valkey and the server for the length of the block."""
    data = folder / "valkey"
    data.mkdir()
    redis = Redis(data)
    port = free_port()
    log = folder / "server.log"
    command = [
        sys.executable,
        "-m",
        "hornet",
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--redis",
        redis.url,
    ]
    command += ["--log-format", "json", "--trusted-proxies", "127.0.0.1", *SHORT_TIMES]
    try:
        with log.open("wb") as out, _server(command, out) as process:
            wait_for_port(port, process)
            yield redis, Server(process, port, log)
    finally:
        redis.kill()


def _server(command: list[str], log: IO[bytes]) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HORNET_")}
    return running(command, _cores(), env=environment, stderr=log)


def _cores() -> set[int]:
    return os.sched_getaffinity(0)
