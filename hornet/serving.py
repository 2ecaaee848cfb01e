"""Running one node as a process: its socket, its signals, what it prints."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import ssl
import sys

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


def run_server(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; then let clients go, and return 0.

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
    listening = _listen(config.server)
    tls = _tls(config.server)
    app = create_app(config)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S)
    stop = _stop_signal()
    try:
        await runner.setup()
        site = web.SockSite(runner, listening, ssl_context=tls, backlog=BACKLOG)
        await site.start()
        print(banner(app[NODE], listening.getsockname()[1]), flush=True)
        await stop.wait()
        log.info("Stopping")
        await site.stop()
        stop.clear()
        draining = asyncio.create_task(
            drain(app[NODE].engine, app[NODE].sessions, config.sessions.drain_window_s)
        )
        at_once = asyncio.create_task(stop.wait())
        await asyncio.wait({draining, at_once}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, at_once):
            task.cancel()
        await asyncio.gather(draining, at_once, return_exceptions=True)
    finally:
        await runner.cleanup()
        listening.close()


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


def _listen(settings: ServerSettings) -> socket.socket:
    """Bind the port before anything else starts.

    Raises:
        SetupError: the port is busy or forbidden, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SetupError(f"The address {settings.host!r} is not known ({error.strerror}).") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise SetupError(
                f"Port {settings.port} is in use by another program; stop it or choose another with --port."
            ) from None
        raise SetupError(f"Can't listen on {settings.host} port {settings.port}: {error.strerror}.") from None
    return listening


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    """Raises:
    SetupError: the certificate or its key can't be read, or they don't belong together.
    """
    if not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"The TLS certificate can't be used: {error.strerror or error}.") from None
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
