"""The limits on connections, checked when a connection comes in, before it has sent anything.

Sessions are counted with the sessions (``core.limits.AddressLimiter``). This module counts the other
connections of each address: those that never ask for anything, HTTP requests, polls. A connection counts
while it waits for its first request or is with aiohttp, and no longer once it carries a WebSocket.

Nothing is counted for the limit on all connections together. The kernel gives a new connection the lowest
free file number, so that number tells how many files are open, for any purpose: sessions, Redis, backends,
half a TLS handshake.
"""

from __future__ import annotations

import asyncio
import resource
from functools import lru_cache

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hornet.core import codes
from hornet.core.addresses import UNIX, is_in, parse_networks
from hornet.core.limits import counted_as
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.refusal_log import ThrottledLog

STATUS = {codes.SERVER_FULL: b"503 Service Unavailable", codes.ADDRESS_FULL: b"429 Too Many Requests"}

RESERVED_FILES = 200
"""File numbers that clients don't get: up to 100 connections to the backend use them, those to Redis, files,
and connections that are just being refused. Of a small limit a quarter is kept."""


class ConnectionLimiter:
    """Decides whether a new connection may stay, and counts the connections of each address."""

    def __init__(self, settings: EngineSettings, counts: Counts) -> None:
        self._counts = counts
        self._log = ThrottledLog()
        self._of_address: dict[str, int] = {}
        self._of_handler: dict[RequestHandler, str] = {}
        self._trusted = parse_networks(settings.trusted_proxies)
        self._counted_peer = lru_cache(maxsize=1024)(self._find_counted_peer)
        self.configure(settings)

    def __len__(self) -> int:
        """Return how many addresses have a connection that counts."""
        return len(self._of_address)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on."""
        self._max_files = min(settings.max_connections or free_files(), free_files())
        self._per_address = settings.max_connections_per_address

    def refusal(self, transport: asyncio.BaseTransport, address: str) -> str:
        """Return the code with which a new connection of ``address`` is refused; "" when it may stay."""
        if transport.get_extra_info("socket").fileno() >= self._max_files:
            return self._refuse(codes.SERVER_FULL, transport)
        if address and self._of_address.get(address, 0) >= self._per_address:
            return self._refuse(codes.ADDRESS_FULL, transport)
        return ""

    def counted_address(self, transport: asyncio.BaseTransport) -> str:
        """Return the address that a connection counts for; "" when it does not count."""
        peer = transport.get_extra_info("peername")
        return self._counted_peer(peer[0]) if isinstance(peer, tuple) else ""

    def enter(self, address: str) -> None:
        """Count one connection more."""
        if address:
            self._of_address[address] = self._of_address.get(address, 0) + 1

    def leave(self, address: str) -> None:
        """Count one connection less."""
        if address:
            left = self._of_address[address] - 1
            if left:
                self._of_address[address] = left
            else:
                del self._of_address[address]

    def count_connections_of(self, server: web.Server) -> None:
        """Count the connections that aiohttp has from now on, by replacing two methods of its server.

        aiohttp has no public way to learn of them; ``tests/engine/test_seams.py`` pins the two methods.
        """
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: RequestHandler, transport: asyncio.Transport) -> None:
            address = self.counted_address(transport)
            if address:
                self._of_handler[handler] = address
                self.enter(address)
            made(handler, transport)

        def connection_lost(handler: RequestHandler, exc: BaseException | None = None) -> None:
            self.leave(self._of_handler.pop(handler, ""))
            lost(handler, exc)

        server.connection_made = connection_made  # type: ignore[method-assign]  # on purpose, see above
        server.connection_lost = connection_lost  # type: ignore[method-assign]  # on purpose, see above

    def _find_counted_peer(self, peer: str) -> str:
        """Return the address to count a peer under; "" for trusted proxies and for this machine.

        A trusted proxy speaks for many clients. A connection from this machine comes from a proxy that the
        settings don't name, or from Hornet itself.
        """
        return "" if is_in(peer, self._trusted) else counted_as(peer) or ""

    def _refuse(self, code: str, transport: asyncio.BaseTransport) -> str:
        self._counts.refused[code] += 1
        peer = transport.get_extra_info("peername")
        self._log.log_refusal(code, peer[0] if isinstance(peer, tuple) else UNIX)
        return code


def refusal_response(code: str) -> bytes:
    """Return the HTTP response that a refused connection gets."""
    return b"HTTP/1.1 %s\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % STATUS[code]


def free_files() -> int:
    """Return the file number from which on files are kept for other uses than clients."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return soft - min(RESERVED_FILES, soft // 4)
