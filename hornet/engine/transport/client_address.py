"""The address of the client that sends a request, seen through trusted proxies."""

from __future__ import annotations

import asyncio

from hornet.core.addresses import HOPS, UNIX, client_address, parse_networks
from hornet.core.headers import Headers, combined
from hornet.engine.settings import EngineSettings

MAPPED = "::ffff:"
"""Begins an IPv4 address as a socket of both families names it (RFC 4291,
https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2)."""


class ClientAddressResolver:
    """Finds client addresses by the settings about proxies, which need a restart to change."""

    def __init__(self, settings: EngineSettings) -> None:
        self._trusted = parse_networks(settings.trusted_proxies)
        self._forwarded = settings.forwarded_header.lower()
        self._hops = HOPS[settings.forwarded_header]

    def resolve(self, transport: asyncio.BaseTransport | None, headers: Headers) -> tuple[str, str]:
        """Return the client's address, and the address that opened the connection.

        The two differ behind a trusted proxy. The second is ``"unix"`` on a Unix socket. ``headers`` has
        lower-case names, or finds names in any case.
        """
        peername = transport.get_extra_info("peername") if transport is not None else None
        peer = peername[0] if isinstance(peername, tuple) else UNIX
        if peer.startswith(MAPPED):
            peer = peer[len(MAPPED) :]
        if not self._trusted:
            return peer, peer
        return client_address(peer, self._hops(combined(headers, self._forwarded)), self._trusted), peer
