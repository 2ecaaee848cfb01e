"""The text that a server prints when it listens: its addresses, its Redis, and the try-it page."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from hornet._version import __version__
from hornet.app import Node, speed_advice


def banner(node: Node, sockets: Sequence[socket.socket]) -> str:
    """Return the text for a server that listens on ``sockets``; its addresses are those of the first one."""
    bound = sockets[0]
    settings = node.config.server
    origin = "embedded Valkey, stops with Hornet" if node.embedded else "found on this machine"
    lines = [f"Hornet v{__version__}", ""]
    if bound.family == socket.AF_UNIX:
        url = ""
        lines.append(f"  Listening  {bound.getsockname()}")
    else:
        host, port = bound.getsockname()[:2]
        name = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
        url = f"{'https' if settings.tls_cert else 'http'}://{f'[{name}]' if ':' in name else name}:{port}"
        lines.append(f"  Listening  {url}  (on {', '.join(str(each.getsockname()[0]) for each in sockets)})")
    lines.append(f"  Redis      {node.redis_url}" + ("" if node.config.redis.redis else f"  ({origin})"))
    lines.append(f"  Runs on    {speed_advice(node.engine)}")
    lines.append(f"  Client     {url}/hornet/hornet.js")
    if node.config.api.is_open(on_unix_socket=bound.family == socket.AF_UNIX):
        lines.append(f"  API        {url}/api  (open to programs on this machine: no key is configured)")
    if settings.demo:
        lines.append(f"  Try it     {url}/  (turn off in production: --no-demo)")
    return "\n".join(["", *lines, ""])


def print_banner(text: str) -> None:
    """Print to standard output. A closed standard output is no error: the server goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python flushes standard output when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
