"""The servers that are compared: how each is installed and started, and which protocol it speaks."""

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
        """Return this process's environment without the options that Hornet would read from it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HORNET_")}
        return {**kept, "NODE_ENV": "production", "PYTHONDONTWRITEBYTECODE": "1", **self.env}


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the table. ``install`` raises ``Unavailable`` where the peer can't be installed."""

    name: str
    title: str
    install: Callable[[Cache], Program]
    socketio: bool = True
    """Speaks Socket.IO. Other peers speak only WebSocket, and have one channel for all clients."""
    hornet: bool = False
    """Needs real tokens, and knows ``only`` and ``except``."""
    only_scenario: str = ""
    """The one scenario for which this peer is there; without it, the peer runs in all that it fits."""


def _hornet(cache: Cache) -> Program:
    del cache  # nothing to install: this interpreter runs the code that is checked out
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
    """Return the commit that is checked out, or nothing without git."""
    try:
        commit = run(["git", "describe", "--always", "--dirty", "--exclude", "*"], cwd=ROOT)
    except Unavailable:
        return ""
    return f" ({commit.strip()})"


def _version_here(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python_socketio(cache: Cache) -> Program:
    interpreter = python.peer_python(cache)
    versions = python.versions(interpreter, "python-socketio", "uvloop")
    return Program(
        (str(interpreter), str(SERVERS / "python_socketio.py"), "{port}", "{redis}"),
        f"{versions['python-socketio']}, Python {platform.python_version()}, uvloop {versions['uvloop']}",
    )


def _node_ws(cache: Cache) -> Program:
    node = javascript.install_javascript(cache)
    version = f"socket.io {node.version('socket.io')}, ws {node.version('ws')}, Node {node.node_version}"
    return Program(_node_words(node, "ws"), version, cwd=node.folder)


def _node_uws(cache: Cache) -> Program:
    node = javascript.install_javascript(cache)
    engine = f"uWebSockets.js {node.version(javascript.UWS)}"
    version = f"socket.io {node.version('socket.io')}, {engine}, Node {node.node_version}"
    env = javascript.uws_environment(cache, node)
    return Program(_node_words(node, "uws"), version, env=env, cwd=node.folder)


def _node_streams(cache: Cache) -> Program:
    node = javascript.install_javascript(cache)
    adapter = f"@socket.io/redis-streams-adapter {node.version('@socket.io/redis-streams-adapter')}"
    version = f"socket.io {node.version('socket.io')}, {adapter}, Node {node.node_version}"
    words = (str(node.node), str(SERVERS / "node_streams.mjs"), "{port}", "{redis}")
    return Program(words, version, cwd=node.folder)


def _node_words(node: javascript.Javascript, engine: str) -> tuple[str, ...]:
    return (str(node.node), str(SERVERS / "node.mjs"), "{port}", "{redis}", engine)


def _bun(cache: Cache) -> Program:
    node = javascript.install_javascript(cache)
    engine = f"@socket.io/bun-engine {node.version('@socket.io/bun-engine')}"
    version = f"socket.io {node.version('socket.io')}, {engine}, Bun {node.version('bun')}"
    words = (str(javascript.bun_program(node)), str(SERVERS / "bun.mjs"), "{port}", "{redis}")
    return Program(words, version, cwd=node.folder)


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
        Peer("node-streams", "Node ws, Redis Streams", _node_streams, only_scenario="storm"),
        Peer("limit-c", "C, one send each", _limit_c, socketio=False),
    )
}
"""In the order of the columns."""


def choose(names: str | None) -> list[Peer]:
    """Return the peers of a comma-separated list, or all, in the order of the columns.

    Raises:
        BenchmarkError: no peer has that name.
    """
    chosen = [name.strip() for name in names.split(",")] if names else list(PEERS)
    for name in chosen:
        if name not in PEERS:
            raise BenchmarkError(f"There is no peer {name!r}; there are {', '.join(PEERS)}.")
    return [PEERS[name] for name in PEERS if name in chosen]
