"""The Python environment of the peers, in the cache: the stock libraries, and Node."""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

from benchmarks.install.cache import Cache, run
from benchmarks.install.compiled import SERVERS

REQUIREMENTS = SERVERS / "requirements.txt"

VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def peer_python(cache: Cache) -> Path:
    """Install the packages of ``servers/requirements.txt`` in an environment; return its interpreter.

    Raises:
        Unavailable: the packages can't be installed.
    """

    def build(folder: Path) -> None:
        cache.tell("installing the peers of PyPI")
        venv.create(folder, clear=True, with_pip=True, symlinks=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
        run([str(_interpreter(folder)), *install], cwd=folder)

    return _interpreter(cache.make("python", [REQUIREMENTS], sys.version, build))


def versions(python: Path, *names: str) -> dict[str, str]:
    """Return the installed versions of packages in the environment of ``python``."""
    installed: dict[str, str] = json.loads(run([str(python), "-c", VERSIONS, *names], cwd=python.parent))
    return installed


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"
