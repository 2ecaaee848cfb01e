"""Running one node as a process: its socket, its signals, what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from hornet._version import __version__
from hornet.app import NODE, Node, create_app
from hornet.config import Config
from hornet.core.errors import SetupError
from hornet.flows.shutdown import drain
from hornet.web.settings import ServerSettings

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Connections the kernel may hold while the loop is busy: after a restart, all clients come at once."""

CLOSE_S = 1.0

AGAIN_S = 2.0
"""A start that is given up has this long to clear away what it began before it is told again."""


def run_server(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; then let clients go, and return 0. A second signal hurries it.

    Raises:
        SetupError: the port, the certificate or Redis can't be used.
    """
    logging.basicConfig(
        level=config.log.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config))
    return 0


async def _serve(config: Config) -> None:
    stop = _stop_signal()
    tls = _tls(config.server)
    app = create_app(config)
    with contextlib.closing(_listen(config.server)) as listening:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S)
        try:
            if not await _unless_stopped(runner.setup(), stop):
                return
            server = await _accept(app, runner, listening, tls)
            _print(banner(app[NODE], listening.getsockname()[1]))
            await stop.wait()
            log.info("Stopping")
            server.close()
            stop.clear()
            await _unless_stopped(
                drain(app[NODE].engine, app[NODE].sessions, config.sessions.drain_window_s), stop
            )
        finally:
            await runner.cleanup()


async def _accept(
    app: web.Application, runner: web.AppRunner, listening: socket.socket, tls: ssl.SSLContext | None
) -> asyncio.Server:
    """Take connections from now on. New WebSockets go straight to the engine, all else to the application."""
    assert runner.server is not None
    factory = app[NODE].engine.doorway(runner.server)
    loop = asyncio.get_running_loop()
    return await loop.create_server(factory, sock=listening, ssl=tls, backlog=BACKLOG)


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do ``work`` to its end, or give it up when ``stop`` is set. True when it was done; its errors pass."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not working.done():  # one cancellation may get lost in redis-py, see broker.client.heed
            working.cancel()
            await asyncio.wait({working}, timeout=AGAIN_S)
    if working.cancelled():
        return False
    working.result()
    return True


def banner(node: Node, port: int) -> str:
    """What a person needs to know once the server is up."""
    settings = node.config.server
    scheme = "https" if settings.tls_cert else "http"
    host = "localhost" if settings.host in ("0.0.0.0", "::", "127.0.0.1") else settings.host
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    origin = "embedded Valkey, stops with Hornet" if node.embedded else "found on this machine"
    lines = [
        f"Hornet v{__version__}",
        "",
        f"  Listening  {url}  (on {settings.host})",
        f"  Redis      {node.redis_url}" + ("" if node.config.redis.redis else f"  ({origin})"),
        f"  Client     {url}/hornet/hornet.js",
    ]
    if settings.demo:
        lines.append(f"  Try it     {url}/  (turn off in production: --no-demo)")
    return "\n".join(["", *lines, ""])


def _print(text: str) -> None:
    """Print for a person, if there is one: a server must not end because nobody reads what it says."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it flushes at its end


def _listen(settings: ServerSettings) -> socket.socket:
    """Bind the port before anything else starts.

    Raises:
        SetupError: the port is busy or forbidden, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:  # a label of more than 63 characters is a UnicodeError
        reason = getattr(error, "strerror", None) or "it is no host name"
        raise SetupError(f"The address {settings.host!r} is not known ({reason}).") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SetupError(_why_not(settings, error)) from None
    return listening


def _why_not(settings: ServerSettings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} is in use by another program; stop it or choose another with --port."
    if error.errno == errno.EACCES:
        return (
            f"This user may not listen on port {settings.port}; "
            "choose one of 1024 or more with --port, and put a proxy before it."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The address {settings.host} is not one of this machine's; choose another with --host."
    return f"Can't listen on {settings.host} port {settings.port}: {error.strerror}."


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    """Raises:
    SetupError: the certificate or its key can't be read, or they don't belong together.
    """
    if not settings.tls_cert:
        return None
    for path in (settings.tls_cert, settings.tls_key):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise SetupError(f"The TLS file {path} can't be read: {error.strerror}.") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password here, an encrypted key would make OpenSSL ask for one on the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        raise SetupError(
            f"The TLS certificate {settings.tls_cert} and the key {settings.tls_key} can't be used "
            f"({reason}); Hornet takes PEM files that belong together, the key unencrypted."
        ) from None
    return context


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, plain asyncio where not."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
