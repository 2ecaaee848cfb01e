"""The servers that are compared: how each is installed, started and spoken to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.errors import BenchmarkError, Unavailable
from benchmarks.install import compiled, javascript, python
from benchmarks.install.cache import Cache, run
from hornet._version import __version__

ROOT = Path(__file__).resolve().parent.parent
SERVERS = compiled.SERVERS


@dataclass(frozen=True, slots=True)
class Program:
    """An installed server. ``words`` may hold ``{port}`` and ``{redis}``."""

    words: tuple[str, ...]
    version: str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    def command(self, port: int, redis_port: int) -> list[str]:
        return [word.format(port=port, redis=redis_port) for word in self.words]

    def environment(self) -> dict[str, str]:
        """This process's environment, less every setting that a Hornet would read from it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HORNET_")}
        return {**kept, "NODE_ENV": "production", "PYTHONDONTWRITEBYTECODE": "1", **self.env}


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the table. ``install`` raises ``Unavailable`` where the peer can't be had."""

    name: str
    title: str
    install: Callable[[Cache], Program]
    socketio: bool = True
    """Speaks Socket.IO; else WebSocket only, and every client is in the one channel."""
    hornet: bool = False
    """Wants real tokens and knows ``only`` and ``except``."""


def _hornet(cache: Cache) -> Program:
    del cache  # it runs in this interpreter: what is measured is what is checked out
    options = ("--host", "127.0.0.1", "--port", "{port}", "--redis", "redis://127.0.0.1:{redis}/0")
    quiet = ("--no-demo", "--log-level", "warning")
    uvloop, hiredis = _version_here("uvloop"), _version_here("hiredis")
    loop = f"uvloop {uvloop}" if uvloop else "without uvloop"
    loop += f", hiredis {hiredis}" if hiredis else ", without hiredis"
    return Program(
        (sys.executable, "-m", "hornet", *options, *quiet),
        f"{__version__}{_revision()}, Python {platform.python_version()}, {loop}",
        cwd=ROOT,
    )


def _revision() -> str:
    """The commit that is checked out, where git can tell."""
    try:
        said = run(["git", "describe", "--always", "--dirty", "--exclude", "*"], cwd=ROOT)
    except Unavailable:
        return ""
    return f" ({said.strip()})"


def _version_here(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python_socketio(cache: Cache) -> Program:
    interpreter = python.peer_python(cache)
    found = python.versions(interpreter, "python-socketio", "uvloop")
    return Program(
        (str(interpreter), str(SERVERS / "python_socketio.py"), "{port}", "{redis}"),
        f"{found['python-socketio']}, Python {platform.python_version()}, uvloop {found['uvloop']}",
    )


def _node_ws(cache: Cache) -> Program:
    found = javascript.javascript(cache)
    version = f"socket.io {found.version('socket.io')}, ws {found.version('ws')}, Node {found.node_version}"
    return Program(_node_words(found, "ws"), version, cwd=found.folder)


def _node_uws(cache: Cache) -> Program:
    found = javascript.javascript(cache)
    engine = f"uWebSockets.js {found.version(javascript.UWS)}"
    version = f"socket.io {found.version('socket.io')}, {engine}, Node {found.node_version}"
    env = javascript.uws_environment(cache, found)
    return Program(_node_words(found, "uws"), version, env=env, cwd=found.folder)


def _node_words(found: javascript.Javascript, engine: str) -> tuple[str, ...]:
    return (str(found.node), str(SERVERS / "node.mjs"), "{port}", "{redis}", engine)


def _bun(cache: Cache) -> Program:
    found = javascript.javascript(cache)
    engine = f"@socket.io/bun-engine {found.version('@socket.io/bun-engine')}"
    version = f"socket.io {found.version('socket.io')}, {engine}, Bun {found.version('bun')}"
    words = (str(javascript.bun_program(found)), str(SERVERS / "bun.mjs"), "{port}", "{redis}")
    return Program(words, version, cwd=found.folder)


def _limit_c(cache: Cache) -> Program:
    program = compiled.one_send(cache)
    return Program((str(program), "{port}", "{redis}"), f"compiled by {compiled.compiler_name()} -O2")


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("hornet", "Hornet", _hornet, hornet=True),
        Peer("python-socketio", "python-socketio", _python_socketio),
        Peer("node-ws", "Node ws", _node_ws),
        Peer("bun", "Bun", _bun),
        Peer("node-uws", "Node uWS", _node_uws),
        Peer("limit-c", "C, one send each", _limit_c, socketio=False),
    )
}
"""In the order of the columns."""


def choose(names: str | None) -> list[Peer]:
    """The peers named in a comma-separated list, or all.

    Raises:
        BenchmarkError: a name that none of them has.
    """
    wanted = [name.strip() for name in names.split(",")] if names else list(PEERS)
    for name in wanted:
        if name not in PEERS:
            raise BenchmarkError(f"There is no peer {name!r}; there are {', '.join(PEERS)}.")
    return [PEERS[name] for name in PEERS if name in wanted]
