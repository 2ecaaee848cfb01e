"""The C programs: the load generator, the server that only calls send(), and a shim for old glibc."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from benchmarks.errors import Unavailable
from benchmarks.install.cache import Cache, run

ROOT = Path(__file__).resolve().parent.parent
LOAD = ROOT / "load"
SERVERS = ROOT / "servers"

FLAGS = ("-O2", "-Wall", "-Wextra")
CANDIDATES = ("cc", "gcc", "clang")


def load_generator(cache: Cache) -> Path:
    """Compile the load generator and return the path of the program.

    Raises:
        Unavailable: there is no C compiler, or the compiler failed.
    """
    return _compile(cache, "load", sorted(LOAD.glob("*.c")), headers=sorted(LOAD.glob("*.h")))


def one_send(cache: Cache) -> Path:
    """Compile the server that only calls send() for each client; raises like :func:`load_generator`."""
    return _compile(cache, "one_send", [SERVERS / "one_send.c"])


def glibc_shim(cache: Cache) -> Path:
    """Compile the library to preload on an old glibc; raises like :func:`load_generator`."""
    return _compile(cache, "isoc23.so", [SERVERS / "isoc23.c"], flags=("-shared", "-fPIC"))


def compiler() -> list[str]:
    """Return the command of a C compiler: ``$CC``, the machine's own, or that of the ``ziglang`` wheel.

    Raises:
        Unavailable: there is no C compiler.
    """
    if chosen := os.environ.get("CC"):
        return chosen.split()
    for name in CANDIDATES:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise Unavailable("There is no C compiler; install one, or 'pip install ziglang', which has one.")


def compiler_name() -> str:
    """Return the short name of the compiler; raises like :func:`compiler`."""
    words = compiler()
    return "zig" if "ziglang" in words else Path(words[0]).name


def _compile(
    cache: Cache,
    name: str,
    sources: list[Path],
    headers: list[Path] | None = None,
    flags: tuple[str, ...] = (),
) -> Path:
    command = [*compiler(), *FLAGS, *flags]

    def build(folder: Path) -> None:
        cache.tell(f"compiling {name}")
        run([*command, "-o", str(folder / name), *map(str, sources)], cwd=folder)

    return cache.make(f"c-{name}", [*sources, *(headers or [])], " ".join(command), build) / name
