"""Writing the same bytes to many plain sockets in one call: the compiled part, where it was built.

Everything works without it, at a higher price for each delivery: ``transport.write`` is some 2 µs of
bookkeeping around a system call that costs 5.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

SendEach = Callable[[list[int], bytes], list[tuple[int, int]]]
"""Sends bytes to sockets by file number; tells the index of each that did not take all, and what it took."""

MOST = 1024
"""Sockets that one call takes; the C source has the same number."""

NO_SOCKET = -1


def find_send_each() -> SendEach | None:
    """The compiled loop; None on an installation that was made without a compiler."""
    try:
        from hornet.engine._sockets import send_each  # type: ignore[import-not-found]  # compiled, if at all
    except ImportError:
        return None
    found: SendEach = send_each
    return found


def plain_socket(transport: asyncio.Transport) -> int:
    """The file number of the stream socket that gets the transport's very bytes; -1 if it is not sure of one.

    TLS stands between a transport and its socket, so there is none for it.
    """
    if transport.get_extra_info("sslcontext") is not None:
        return NO_SOCKET
    below = transport.get_extra_info("socket")
    if below is None or below.type != socket.SOCK_STREAM:
        return NO_SOCKET
    number: int = below.fileno()
    return number
