"""Warnings about refusals that an operator may have to act on, each logged once in a while."""

from __future__ import annotations

import asyncio
import logging

from hornet.core import codes
from hornet.core.limits import Throttle

log = logging.getLogger(__name__)

_PROXY = "If that is a proxy, name it in trusted_proxies; else see "

ADVICE = {
    codes.SERVER_FULL: "All connections are taken: see max_connections, and the limit of open files.",
    codes.ADDRESS_FULL: f"{_PROXY}max_connections_per_address.",
    codes.TOO_MANY_REQUESTS: f"{_PROXY}max_request_rate.",
    codes.TOO_MANY_SESSIONS: f"{_PROXY}max_sessions_per_address.",
    codes.TOO_MANY_CONNECTIONS: f"{_PROXY}max_connect_rate.",
    codes.ORIGIN_NOT_ALLOWED: "If its pages may connect, add it to allowed_origins; behind a proxy, see "
    "that it passes the Host header on.",
}
"""The operator's remedy for a refusal, by its code. Other codes are the client's fault."""

EVERY_S = 10.0
"""Each code is logged at most once in this time, since a refused client may try again and again."""


class ThrottledLog:
    """Logs refusals of addresses, with the advice for their code."""

    def __init__(self) -> None:
        self._throttle = Throttle(EVERY_S)

    def is_due(self, code: str) -> bool:
        """Return whether a refusal with this code is to be logged now; if so, it counts as logged."""
        return code in ADVICE and self._throttle.is_due(asyncio.get_running_loop().time(), code)

    def log_refusal(self, code: str, address: str) -> None:
        """Log that an address was refused, unless the code was logged a short time ago."""
        if self.is_due(code):
            log.warning("Refused %s: %s. %s", address, code, ADVICE[code])
