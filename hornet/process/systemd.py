"""Notifications to systemd: ready, reloading, stopping, and that the event loop still runs.

The protocol is one datagram of ``NAME=value`` lines to the socket in ``NOTIFY_SOCKET``. Without that
variable, nothing is sent. Source: ``sd_notify(3)``, ``sd_watchdog_enabled(3)``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


class Notifier:
    """Sends states to systemd, if it started this process. A failure is logged, never raised."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = _watchdog_s(environment)

    def tell(self, *states: str) -> None:
        """Send the states in one datagram."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.sendto("\n".join(states).encode(), self._address)
        except OSError as error:
            log.warning("Can't notify systemd of %s: %s", states[0], error)

    def tell_reloading(self) -> None:
        """Say that a reload has begun; ``READY`` must follow. ``Type=notify-reload`` wants the time, too."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    async def keep_watchdog(self) -> None:
        """Say that the event loop runs, twice as often as systemd asks for. Return if it does not ask."""
        while self._address and self._watchdog_s:
            self.tell(ALIVE)
            await asyncio.sleep(self._watchdog_s / 2)


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Return how long systemd waits for a sign of life before it restarts the process; 0: for ever."""
    is_watched = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
    interval = environment.get("WATCHDOG_USEC", "")
    return int(interval) / 1_000_000 if is_watched and interval.isdecimal() else 0.0
