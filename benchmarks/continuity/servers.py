"""The processes of a run: Redis (with a replica and a Sentinel, if asked for), and the nodes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.errors import RunFailed
from benchmarks.processes import free_port, running, wait_for_port
from benchmarks.valkey import valkey_command

STOP_S = 30.0
READY_S = 90.0
"""How long a process may take to start, also where a machine has much else to do."""

STEP_S = 0.05
SERVICE = "continuity"

SHORT_TIMES = (
    *("--redis-timeout", "1", "--redis-heartbeat", "2", "--handshake-timeout", "5", "--auth-timeout", "10"),
    *("--connect-timeout", "5", "--ping-interval", "3", "--ping-timeout", "3", "--drain-window", "1"),
)
"""Shorter times than in production, so that a run of minutes sees as many timeouts as hours would."""


class Process(ABC):
    """A process that can be killed, and started again on its port."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.starts = 0
        self._folder = folder
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts += 1
        log = self._stack.enter_context((self._folder / f"{self.port}.log").open("ab"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HORNET_")}
        self._process = self._stack.enter_context(
            running(self.command(), os.sched_getaffinity(0), env=kept, stdout=log, stderr=log)
        )
        wait_for_port(self.port, self._process, READY_S)

    def kill(self) -> None:
        """Kill the process, so that it can't say anything to anyone."""
        self._stack.close()

    def terminate(self) -> None:
        """Ask the process to stop, and wait until it has.

        Raises:
            RunFailed: it did not stop in time, or stopped with an error.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise RunFailed(f"a node did not stop within {STOP_S:.0f} s") from None
        finally:
            self._stack.close()
        if code:
            raise RunFailed(f"a node stopped with {code}")

    @abstractmethod
    def command(self) -> list[str]:
        """Return the program and its arguments."""

    def log(self) -> str:
        return (self._folder / f"{self.port}.log").read_text(errors="replace")


class Valkey(Process):
    """A Redis that keeps nothing on disk. With ``master``, it is a replica of that one."""

    def __init__(self, folder: Path, master: Valkey | None = None) -> None:
        super().__init__(folder)
        self._master = master

    def command(self) -> list[str]:
        command = valkey_command(self.port, str(self._folder))
        if self._master is not None:
            command += ["--replicaof", f"127.0.0.1 {self._master.port}"]
        return command

    def follow(self, master: Valkey | None) -> None:
        """Make it a replica from its next start on."""
        self._master = master

    def wait_until_linked(self) -> None:
        """Wait until a replica has its master's data.

        Raises:
            RunFailed: it has not, within ``READY_S``.
        """
        until = time.monotonic() + READY_S
        with Redis(port=self.port) as redis:
            while time.monotonic() < until:
                if redis.info("replication").get("master_link_status") == "up":
                    return
                time.sleep(STEP_S)
        raise RunFailed("the replica did not reach its master")


class Sentinel(Process):
    """A Sentinel that needs no vote of others."""

    def __init__(self, folder: Path, master: Valkey) -> None:
        super().__init__(folder)
        self._known_master = master.port
        self._file = folder / "sentinel.conf"
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 3000",
        ]
        self._file.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [valkey_command(self.port, str(self._folder))[0], str(self._file), "--sentinel"]

    @property
    def known_master(self) -> int:
        """The port of the master that backends know, from the last time that anyone asked."""
        return self._known_master

    def wait_for_replica(self) -> None:
        """Wait until the Sentinel knows the replica, which it can make the master then.

        Raises:
            RunFailed: it does not, within ``READY_S``.
        """
        until = time.monotonic() + READY_S
        with Redis(port=self.port, decode_responses=True) as redis:
            while time.monotonic() < until:
                replicas = redis.execute_command("SENTINEL", "REPLICAS", SERVICE)
                if any(fields.get("master-link-status") == "ok" for fields in map(as_dict, replicas)):
                    return
                time.sleep(STEP_S)
        raise RunFailed("the Sentinel found no replica")

    def wait_for_another(self, old: int) -> int:
        """Wait until another port than ``old`` is that of the master; return it.

        Raises:
            RunFailed: nothing changed, within ``READY_S``.
        """
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if (port := self.master_port()) not in (0, old):
                return port
            time.sleep(STEP_S)
        raise RunFailed("the Sentinel made no other Redis the master")

    def fail_over(self) -> None:
        """Make the replica the master.

        Raises:
            RunFailed: the Sentinel refuses.
        """
        with Redis(port=self.port) as redis:
            try:
                redis.execute_command("SENTINEL", "FAILOVER", SERVICE)
            except RedisError as error:
                raise RunFailed(f"the Sentinel does not fail over: {error}") from None

    def master_port(self) -> int:
        """Return the port of the Redis that is the master now, or 0 while nobody knows."""
        try:
            with Redis(port=self.port, socket_timeout=1) as redis:
                address = redis.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        except RedisError:
            return 0
        if not address:
            return 0
        self._known_master = int(address[1])
        return self._known_master


def as_dict(fields: Any) -> dict[str, Any]:
    """Return what a Sentinel knows of a server, which redis-py gives as a list in some versions."""
    return fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))


class Node(Process):
    """A node of Hornet."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        super().__init__(folder)
        self.url = f"http://127.0.0.1:{self.port}"
        self._redis_url = redis_url

    def command(self) -> list[str]:
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--redis", self._redis_url]
        quiet = ["--log-format", "json", "--no-demo", "--api-rate", "0"]
        return [sys.executable, "-m", "hornet", *place, *quiet, *SHORT_TIMES]

    def complaints(self) -> list[str]:
        """Return the errors in the node's log."""
        signs = ('"level": "error"', "Traceback")
        return [line[:500] for line in self.log().splitlines() if any(sign in line for sign in signs)]


async def in_thread(process: Process, *, kill: bool = False) -> None:
    """Start or kill a process, without keeping the event loop waiting."""
    await asyncio.to_thread(process.kill if kill else process.start)
