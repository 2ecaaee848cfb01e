"""The cache folder: built and installed programs stay there, and are made again when their sources change."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.errors import ToolFailed, Unavailable

INSTALL_DEADLINE_S = 600


class Cache:
    """The folder. Slow steps are announced through ``tell``."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder = folder.resolve()
        self.tell = tell
        self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let only one process into the block at a time: several benchmarks may share a cache."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def make(self, name: str, sources: Sequence[Path], salt: str, build: Callable[[Path], None]) -> Path:
        """Return the folder ``name``, which ``build`` fills unless it was filled from the same ``sources``.

        ``salt`` names everything else that the content depends on. Exceptions of ``build`` pass; the folder
        then counts as not made.
        """
        digest = hashlib.sha256(salt.encode())
        for path in sorted(sources):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        target = self.folder / name
        stamp = target / ".made-from"
        with self.locked():
            if not stamp.exists() or stamp.read_text() != digest.hexdigest():
                target.mkdir(exist_ok=True)
                stamp.unlink(missing_ok=True)
                build(target)
                stamp.write_text(digest.hexdigest())
        return target


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a tool to its end and return what it printed.

    Raises:
        Unavailable: the tool can't be run, or took too long.
        ToolFailed: the tool ended with an error.
    """
    try:
        completed = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=INSTALL_DEADLINE_S,
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"{command[0]} can't be run: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} did not end within {INSTALL_DEADLINE_S} s.") from None
    if completed.returncode != 0:
        raise ToolFailed(Path(command[0]).name, completed.stdout)
    return completed.stdout
