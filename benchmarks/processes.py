"""Child processes, each on its own cores. All of them end with the benchmark."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks import launch
from benchmarks.errors import RunFailed

STOP_S = 5.0
PORT_S = 20.0
PORT_STEP_S = 0.02

Output = int | IO[bytes]


@contextmanager
def running(
    command: Sequence[str],
    cores: Collection[int],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Output = subprocess.DEVNULL,
    stdout: Output = subprocess.DEVNULL,
    stderr: Output | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` on ``cores`` for the length of the block. It is killed when this process ends."""
    launched = [str(os.getpid()), ",".join(map(str, sorted(cores))), *command]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", launch.__file__, *launched],
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
    )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill the process: it keeps nothing, so a graceful stop would only take time."""
    if process.poll() is None:
        process.kill()
    process.wait(STOP_S)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which no process listened a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], deadline_s: float = PORT_S) -> None:
    """Wait until a process listens on ``port``.

    Raises:
        RunFailed: the process ended, or the deadline passed.
    """
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RunFailed(f"the process ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            time.sleep(PORT_STEP_S)
        else:
            return
    raise RunFailed(f"no process listened on the port within {deadline_s:.0f} s")
