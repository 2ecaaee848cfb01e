"""How many connections there may be, asked when one comes in, before it has said anything.

Who has a session is counted with the sessions (``core.limits.AddressLimiter``). Here it is about
the others: connections that never ask for anything, HTTP requests, polls. For each address they are counted
while they are in the doorway or with aiohttp, and leave the count when they become a WebSocket.

For all together nothing is counted. The kernel gives a connection the lowest free number of a file, so that
number tells how many files are open, whatever they are: sessions, Redis, backends, half a TLS handshake.
"""

from __future__ import annotations

import asyncio
import resource
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from hornet.core.addresses import UNIX, is_in, parse_networks
from hornet.core.limits import counted_as
from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.handshake import Doorway
from hornet.engine.transport.refusal_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from hornet.engine.socketio.engineio_adapter import EngineIoServer

SERVER_FULL = "SERVER_FULL"
ADDRESS_FULL = "ADDRESS_FULL"

STATUS = {SERVER_FULL: b"503 Service Unavailable", ADDRESS_FULL: b"429 Too Many Requests"}

RESERVED_FILES = 200
"""Kept for what is no client: up to 100 connections to the backend, those to Redis, files, and connections
that are just being refused. Of a small limit a quarter is kept."""


class ConnectionLimiter:
    """Decides about each new connection."""

    def __init__(self, settings: EngineSettings, counts: Counts) -> None:
        self._counts = counts
        self._advisor = ThrottledLog()
        self._of_address: dict[str, int] = {}
        self._of_handler: dict[RequestHandler, str] = {}
        self._trusted = parse_networks(settings.trusted_proxies)
        self._name_of = lru_cache(maxsize=1024)(self._name)
        self.configure(settings)

    def __len__(self) -> int:
        """How many addresses have a connection that is counted."""
        return len(self._of_address)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on."""
        self._max_files = min(settings.max_connections or free_files(), free_files())
        self._per_address = settings.max_connections_per_address

    def refusal(self, transport: asyncio.BaseTransport, name: str) -> str:
        """The code with which a connection that has just come in is refused; "" for one that is let in."""
        if transport.get_extra_info("socket").fileno() >= self._max_files:
            return self._refuse(SERVER_FULL, transport)
        if name and self._of_address.get(name, 0) >= self._per_address:
            return self._refuse(ADDRESS_FULL, transport)
        return ""

    def name(self, transport: asyncio.BaseTransport) -> str:
        """What a connection is counted under; "" for one that is not counted."""
        peer = transport.get_extra_info("peername")
        return self._name_of(peer[0]) if isinstance(peer, tuple) else ""

    def enter(self, name: str) -> None:
        if name:
            self._of_address[name] = self._of_address.get(name, 0) + 1

    def leave(self, name: str) -> None:
        if name:
            left = self._of_address[name] - 1
            if left:
                self._of_address[name] = left
            else:
                del self._of_address[name]

    def watch(self, server: web.Server) -> None:
        """Count the connections that aiohttp has, too."""
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: RequestHandler, transport: asyncio.Transport) -> None:
            name = self.name(transport)
            if name:
                self._of_handler[handler] = name
                self.enter(name)
            made(handler, transport)

        def connection_lost(handler: RequestHandler, exc: BaseException | None = None) -> None:
            self.leave(self._of_handler.pop(handler, ""))
            lost(handler, exc)

        # aiohttp has no public way to hear of this; pinned in tests/engine/test_seams.py
        server.connection_made = connection_made  # type: ignore[method-assign]
        server.connection_lost = connection_lost  # type: ignore[method-assign]

    def _name(self, peer: str) -> str:
        """Trusted proxies speak for many, and from this machine comes a proxy not told of, or us."""
        return "" if is_in(peer, self._trusted) else counted_as(peer) or ""

    def _refuse(self, code: str, transport: asyncio.BaseTransport) -> str:
        self._counts.refused[code] += 1
        peer = transport.get_extra_info("peername")
        self._advisor.tell(code, peer[0] if isinstance(peer, tuple) else UNIX)
        return code


class GatedDoorway(Doorway):
    """A doorway that a connection enters only if the gate lets it."""

    __slots__ = ("_gate", "_name")

    def __init__(
        self, server: EngineIoServer, http: Callable[[], asyncio.Protocol], gate: ConnectionLimiter
    ) -> None:
        super().__init__(server, http)
        self._gate = gate
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = self._gate.name(transport)
        code = self._gate.refusal(transport, name)
        if code:
            self._transport = cast("asyncio.Transport", transport)
            self._transport.write(
                b"HTTP/1.1 %s\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                % STATUS[code]
            )
            self._transport.close()
            return
        self._name = name
        self._gate.enter(name)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._transport.is_closing():
            super().data_received(data)

    def _depart(self) -> None:
        self._gate.leave(self._name)
        self._name = ""
        super()._depart()


def free_files() -> int:
    """Up to which number of a file clients may have it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return soft - min(RESERVED_FILES, soft // 4)
