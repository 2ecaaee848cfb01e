"""Running one node as a process: its signals, what it prints, and how it stops."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import web

from hornet._version import __version__
from hornet.app import NODE, Node, create_app
from hornet.config import Config
from hornet.core.errors import SetupError
from hornet.flows.process.background import supervise
from hornet.flows.sessions.shutdown import drain
from hornet.process.listen import BACKLOG, listening, raise_file_limit, tls_context
from hornet.process.logs import HttpFaults, set_level, set_up
from hornet.process.systemd import READY, STOPPING, Notifier

log = logging.getLogger(__name__)

CLOSE_S = 1.0

KEEPALIVE_S = 75.0
"""How long an HTTP connection may be idle: longer than the 60 s of a proxy, so it is the one to close."""

STOPS = (signal.SIGTERM, signal.SIGINT)

NO_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_FILE_EVERY_S = 10.0
"""How often the log says that no connection can be taken."""

AGAIN_S = 2.0
"""A start that is given up has this long to clear away what it began before it is told again."""

ACCEPT_AT_ONCE = 1
"""asyncio takes its backlog for the number of connections to accept before it looks at anything else. When
no file is left, it reports each of so many failures, and sets a timer for each, from which more come: tens
of thousands of log lines a second, and no end when files are free again. With one, it waits a second."""

Load = Callable[[], Config]


def run_server(config: Config, load: Load | None = None) -> int:
    """Serve until SIGTERM or SIGINT; then let clients go, and return 0. A second signal hurries it.

    On SIGHUP, and when the API is asked to, what ``load`` returns holds from then on, as far as it can change
    while the server runs.

    Raises:
        SetupError: the port, the certificate or Redis can't be used.
    """
    set_up(config.log)
    raise_file_limit()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(config, load or (lambda: config)))
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    return 0


async def _serve(config: Config, load: Load) -> None:
    stop, hang_up = _signals()
    notifier = Notifier(os.environ)
    tls = tls_context(config.server)
    app = create_app(config)
    node = app[NODE]
    node.reloaded.connect(lambda config: set_level(config.log))
    node.reloading.read_by(load)
    _count_unhandled(node)
    http_faults = HttpFaults(node.engine.count_bad_http)
    logging.getLogger("aiohttp.server").addFilter(http_faults)
    with listening(config.server, os.environ) as sockets:
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=CLOSE_S,
            keepalive_timeout=KEEPALIVE_S,
        )
        reload = supervise("reload", lambda: _keep_reloading(node, hang_up, notifier), node.metrics)
        beside = [asyncio.create_task(reload, name="hornet-reload")]
        try:
            if not await _unless_stopped(runner.setup(), stop):
                return
            servers = await _accept(app, runner, sockets, tls)
            beside.append(asyncio.create_task(notifier.keep_watchdog(), name="hornet-watchdog"))
            _print(banner(node, sockets[0]))
            notifier.tell(READY)
            await stop.wait()
            log.info("Stopping")
            notifier.tell(STOPPING)
            for server in servers:
                server.close()
            stop.clear()
            await _unless_stopped(drain(node.engine, node.sessions, config.sessions.drain_window_s), stop)
        finally:
            for task in beside:
                task.cancel()
            await runner.cleanup()
    # The loop gives its signals back as it closes: one that comes then must not make this a failure.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


async def _accept(
    app: web.Application,
    runner: web.AppRunner,
    sockets: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
) -> list[asyncio.Server]:
    """Take connections from now on. New WebSockets go straight to the engine, all else to the application."""
    assert runner.server is not None
    engine = app[NODE].engine
    factory = engine.protocol_factory(runner.server)
    servers = []
    for one in sockets:
        ssl_options: dict[str, Any] = {}
        if tls is not None and one.family != socket.AF_UNIX:
            ssl_options = {"ssl": tls, "ssl_handshake_timeout": engine.settings.handshake_timeout_s}
        servers.append(
            await asyncio.get_running_loop().create_server(
                factory, sock=one, backlog=ACCEPT_AT_ONCE, **ssl_options
            )
        )
        one.listen(BACKLOG)
    return servers


async def _keep_reloading(node: Node, hang_up: asyncio.Event, notifier: Notifier) -> None:
    """Read the configuration again whenever it is asked for. One that is wrong changes nothing."""
    while True:
        await hang_up.wait()
        hang_up.clear()
        notifier.tell_reloading()
        try:
            await node.reloading.run()
        except SetupError as error:
            log.error("The configuration stays as it was: %s", error)
        notifier.tell(READY)


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do ``work`` to its end, or give it up when ``stop`` is set. True when it was done; its errors pass."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not working.done():  # one cancellation may get lost in redis-py, see broker.client.await_redis
            working.cancel()
            await asyncio.wait({working}, timeout=AGAIN_S)
    if working.cancelled():
        return False
    working.result()
    return True


def banner(node: Node, bound: socket.socket) -> str:
    """What a person needs to know once the server is up on ``bound``, and maybe on others."""
    settings = node.config.server
    origin = "embedded Valkey, stops with Hornet" if node.embedded else "found on this machine"
    lines = [f"Hornet v{__version__}", ""]
    if bound.family == socket.AF_UNIX:
        url = ""
        lines.append(f"  Listening  {bound.getsockname()}")
    else:
        host, port = bound.getsockname()[:2]
        shown = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else host
        url = f"{'https' if settings.tls_cert else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"
        lines.append(f"  Listening  {url}  (on {host})")
    lines.append(f"  Redis      {node.redis_url}" + ("" if node.config.redis.redis else f"  ({origin})"))
    lines.append(f"  Client     {url}/hornet/hornet.js")
    if settings.demo:
        lines.append(f"  Try it     {url}/  (turn off in production: --no-demo)")
    return "\n".join(["", *lines, ""])


def _print(text: str) -> None:
    """Print for a person, if there is one: a server must not end because nobody reads what it says."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python complains when it flushes at its end


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Events that are set when the process is told to stop, and to read its configuration again."""
    stop, hang_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    return stop, hang_up


def _count_unhandled(node: Node) -> None:
    """Count what no task handled, and log it as ever: it is a bug of ours, and nobody may overlook it.

    But for the one thing that is none: asyncio could not accept a connection, since no file is left. It tries
    again a second later. (uvloop closes such a connection, and says nothing.)
    """

    told_at = -math.inf

    def count(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_at
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NO_FILE and "socket" in context:
            node.engine.count_no_free_file()
            if loop.time() >= told_at + NO_FILE_EVERY_S:
                told_at = loop.time()
                log.error(
                    "No new connection can be taken: %s. Raise the limit of open files.", error.strerror
                )
            return
        if context.get("exception") is not None:
            node.metrics.unhandled.inc()
        loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(count)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed, plain asyncio where not."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
