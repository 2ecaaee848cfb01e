"""One node on sockets that its process has opened: it starts, accepts connections, reloads and stops."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiohttp import web

from hornet.app import NODE, Node
from hornet.core.errors import SetupError
from hornet.core.limits import Throttle
from hornet.flows.process.background import supervise
from hornet.flows.sessions.shutdown import drain
from hornet.process.banner import banner, print_banner
from hornet.process.http_connection import http_factory
from hornet.process.listen import BACKLOG
from hornet.process.logs import http_faults_counted
from hornet.process.systemd import READY, STOPPING, Notifier

log = logging.getLogger(__name__)

CLOSE_S = 1.0
"""How long HTTP requests under way may take when the server stops."""

NO_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_FILE_EVERY_S = 10.0
"""How often the log says that no connection can be accepted."""

AGAIN_S = 2.0
"""How long a start that is given up may take to clean up before it is cancelled again."""

ACCEPT_AT_ONCE = 1
"""How many connections asyncio accepts before it looks at anything else; asyncio calls it the backlog.

When no file is left, asyncio reports each of so many failures and sets a timer for each, from which more
come: tens of thousands of log lines a second, which do not end when files are free again. With 1, asyncio
waits a second.
"""


class Worker:
    """Runs one node from its start to its end."""

    def __init__(
        self,
        app: web.Application,
        *,
        sockets: Sequence[socket.socket],
        tls: ssl.SSLContext | None,
        notifier: Notifier,
        stop: asyncio.Event,
        hang_up: asyncio.Event,
        has_successor: bool = False,
    ) -> None:
        """``has_successor`` says that somebody keeps the sockets open for the next process."""
        self._node = app[NODE]
        self._sockets = sockets
        self._tls = tls
        self._notifier = notifier
        self._stop = stop
        self._hang_up = hang_up
        self._has_successor = has_successor
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=CLOSE_S)

    async def run(self) -> None:
        """Serve until ``stop`` is set, then let the clients go. If ``stop`` is set again, close them at once.

        Raises:
            SetupError: there is no Redis that can be used.
        """
        asyncio.get_running_loop().set_exception_handler(_unhandled_errors_counted(self._node))
        with http_faults_counted(self._node.engine.count_bad_http):
            reload = supervise("reload", self._keep_reloading, self._node.metrics)
            tasks = [asyncio.create_task(reload, name="hornet-reload")]
            try:
                if not await _unless_stopped(self._runner.setup(), self._stop):
                    return
                servers = await self._accept()
                tasks.append(asyncio.create_task(self._notifier.keep_watchdog(), name="hornet-watchdog"))
                print_banner(banner(self._node, self._sockets))
                self._notifier.tell(READY)
                await self._stop.wait()
                await self._let_go(servers)
            finally:
                for task in tasks:
                    task.cancel()
                await self._runner.cleanup()

    async def _accept(self) -> list[asyncio.Server]:
        """Accept connections from now on. WebSockets go straight to the engine, other requests to aiohttp."""
        assert self._runner.server is not None
        engine = self._node.engine
        server = self._runner.server
        server.request_handler = engine.handler(self._runner.app, server.request_handler)
        keepalive_s = self._node.config.server.keepalive_timeout_s
        factory = engine.protocol_factory(
            server, http_factory(server, engine, keepalive_timeout_s=keepalive_s)
        )
        servers = []
        for bound in self._sockets:
            ssl_options: dict[str, Any] = {}
            if self._tls is not None and bound.family != socket.AF_UNIX:
                ssl_options = {"ssl": self._tls, "ssl_handshake_timeout": engine.settings.handshake_timeout_s}
            servers.append(
                await asyncio.get_running_loop().create_server(
                    factory, sock=bound, backlog=ACCEPT_AT_ONCE, **ssl_options
                )
            )
            bound.listen(BACKLOG)
        return servers

    async def _keep_reloading(self) -> None:
        """Read the configuration again at each SIGHUP. A wrong one changes nothing."""
        while True:
            await self._hang_up.wait()
            self._hang_up.clear()
            self._notifier.tell_reloading()
            try:
                await self._node.reloading.run()
            except SetupError as error:
                log.error("The configuration stays as it was: %s", error)
            self._notifier.tell(READY)

    async def _let_go(self, servers: Sequence[asyncio.Server]) -> None:
        """Refuse new sessions, and close those that are there one after the other over the drain window.

        The port stays open meanwhile. Where systemd has the socket, it is left to the next process at once:
        new connections wait for that process instead of being refused.
        """
        log.info("Stopping")
        self._notifier.tell(STOPPING)
        self._stop.clear()
        node = self._node
        if self._has_successor:
            _close(servers)
        window_s = node.config.sessions.drain_window_s
        await _unless_stopped(drain(node.engine, node.sessions, node.handover, window_s), self._stop)
        _close(servers)


def _close(servers: Sequence[asyncio.Server]) -> None:
    for server in servers:
        server.close()


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do ``work``, or cancel it when ``stop`` is set. Return whether it was done; raise its errors."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        while not working.done():  # redis-py may swallow one cancellation
            working.cancel()
            await asyncio.wait({working}, timeout=AGAIN_S)
    if working.cancelled():
        return False
    working.result()
    return True


def _unhandled_errors_counted(node: Node) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return an exception handler for the event loop that counts errors that no task handled, and logs them.

    Such an error is a bug in Hornet, with one exception: asyncio could not accept a connection because no
    file is left. It tries again a second later. (uvloop closes such a connection, and reports nothing.)
    """
    errors = Throttle(NO_FILE_EVERY_S)

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in NO_FILE and "socket" in context:
            node.engine.count_no_free_file()
            if errors.is_due(loop.time()):
                log.error(
                    "No new connection can be accepted: %s. Raise the limit of open files.", error.strerror
                )
            return
        if error is not None:
            node.metrics.unhandled.inc()
        loop.default_exception_handler(context)

    return handle
