"""What an operator can do about refusals that may be none of the client's fault, said once in a while."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)

ADVICE = {
    "SERVER_FULL": "All connections are taken: see max_connections, and the limit of open files.",
    "ADDRESS_FULL": "If that is a proxy, name it in trusted_proxies; else see max_connections_per_address.",
    "TOO_MANY_REQUESTS": "If that is a proxy, name it in trusted_proxies; else see max_request_rate.",
}

EVERY_S = 10.0
"""Each advice is logged no more often than this: who is refused may try as often as it likes."""


class Advisor:
    """Logs refusals of addresses, with the advice for their code."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def tell(self, code: str, address: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next.get(code, now):
            self._next[code] = now + EVERY_S
            log.warning("Refused %s: %s. %s", address, code, ADVICE[code])
