"""What a connection sends behind a request that is not answered yet.

A client may send requests without waiting for the answers (RFC 9112, section 9.3.2,
https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2), and aiohttp keeps them, with what has come of their
bodies. The request before them may be a poll, which waits for up to a minute. So these bytes count as left
unfinished. Anybody may send them, so a valid credential changes nothing.

The framing of chunked bodies is counted here, too: a body may consist of chunks of one byte each.
"""

from __future__ import annotations

import asyncio

from hornet.core import codes
from hornet.engine.errors import Malformed
from hornet.engine.transport.connection_limit import ConnectionLimiter
from hornet.engine.transport.newcomers import Newcomer
from hornet.engine.transport.session_table import SessionTable

FRAMING_COST = 8
"""How many bytes of content a byte of chunked framing costs: with chunks of one byte, a body is five parts of
framing, and each part is parsed alone."""


class Pipelining:
    """Counts the bytes that connections sent behind a request that is not answered yet."""

    def __init__(self, table: SessionTable, limiter: ConnectionLimiter) -> None:
        self._table = table
        self._limiter = limiter
        self._waiting: dict[asyncio.BaseTransport, Newcomer] = {}

    def hold(self, transport: asyncio.BaseTransport, size: int) -> bool:
        """Count ``size`` bytes more.

        False when too much is left unfinished: nothing is counted, and the caller must cut the connection.
        """
        try:
            self._newcomer(transport).hold(size)
        except Malformed:
            self._table.counts.refused[codes.TOO_MUCH_UNFINISHED] += 1
            return False
        return True

    def take_framing(self, transport: asyncio.BaseTransport, size: int) -> bool:
        """Count ``size`` bytes of a chunked body that are not its content.

        False when its address sends too many of them: the caller must cut the connection.
        """
        try:
            now = asyncio.get_running_loop().time()
            self._newcomer(transport).take_bytes(FRAMING_COST * size, now)
        except Malformed as fault:
            self._table.counts.malformed[fault.code] += 1
            return False
        return True

    def release(self, transport: asyncio.BaseTransport) -> None:
        """Count nothing more for a connection: no request waits behind another, or it is closed."""
        newcomer = self._waiting.pop(transport, None)
        if newcomer is not None:
            newcomer.leave()

    def _newcomer(self, transport: asyncio.BaseTransport) -> Newcomer:
        newcomer = self._waiting.get(transport)
        if newcomer is None:
            address = self._limiter.counted_address(transport)
            newcomer = self._waiting[transport] = self._table.newcomers.enter(address)
        return newcomer
