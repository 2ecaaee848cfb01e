"""The process of a server: its sockets, certificates and log, and its handling of signals.

Sockets, certificates and the log belong to the process. A node gets them handed in (``worker``), so that a
process could hand them to several.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

from hornet.app import NODE, create_app
from hornet.config import Config
from hornet.process.listen import is_activated, listening, raise_file_limit, tls_context
from hornet.process.logs import set_level, set_up
from hornet.process.systemd import Notifier
from hornet.process.worker import Worker

STOPS = (signal.SIGTERM, signal.SIGINT)


def run_server(config: Config, load: Callable[[], Config] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; then let the clients go, and return 0. A second signal cuts that short.

    On SIGHUP, or on a request to the API, ``load`` reads the configuration again. The options that may change
    while a server runs then follow it.

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


async def _serve(config: Config, load: Callable[[], Config]) -> None:
    stop, hang_up = _handle_signals()
    notifier = Notifier(os.environ)
    tls = tls_context(config.server)
    app = create_app(config, load=load)
    app[NODE].reloaded.connect(lambda config: set_level(config.log))
    has_successor = is_activated(os.environ)
    with listening(config.server, os.environ) as sockets:
        worker = Worker(
            app,
            sockets=sockets,
            tls=tls,
            notifier=notifier,
            stop=stop,
            hang_up=hang_up,
            has_successor=has_successor,
        )
        await worker.run()
    # The loop gives its signals back as it closes: one that comes then must not make this a failure.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _handle_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return two events: one is set by each signal to stop, the other by each SIGHUP."""
    stop, hang_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    return stop, hang_up


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """Return uvloop's event loop if it is installed; None means asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop
