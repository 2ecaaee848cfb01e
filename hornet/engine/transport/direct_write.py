"""Writing the same bytes to many plain sockets in one call: the compiled part, where it was built.

Everything works without it, at a higher price for each delivery: ``transport.write`` is some 2 µs of
bookkeeping around a system call that costs 5.
"""

from __future__ import annotations

import asyncio
import socket
from array import array
from collections.abc import Callable

SendEach = Callable[["array[int]", "array[int]", "array[int]", int, int, bytes], list[tuple[int, int]]]
"""Sends bytes to the sockets from one index to another, as far as their tickets are valid.

Tells the index of each that did not take all, and what it took: ``NOT_TRIED`` where the ticket is not valid.
"""

MOST = 1024
"""Sockets that one call takes; the C source has the same number."""

NO_SOCKET = -1
NO_LEASE = 0
NOT_TRIED = -1


class WriteLeases:
    """Which sockets may be written to past their transports at this moment.

    For each file number there is at most one valid ticket. A ticket is for one session, in one form, on one
    socket. A transport that is written to may have something left, so then no ticket is valid until somebody
    has looked; and a ticket is worthless for good once its session has ended or changed its form, however
    long a list keeps it. So lists of sockets may be kept, without ever being told what becomes of a session;
    and looking at a ticket costs 8 bytes of memory, where a session and its transport are a dozen lines of
    the processor's cache, which the kernel's own work has emptied since the last message.
    """

    __slots__ = ("_last", "valid")

    def __init__(self) -> None:
        self.valid = array("Q")
        """By file number; ``NO_LEASE`` where none is."""
        self._last = NO_LEASE

    def grant(self, number: int) -> int:
        """A new ticket for the socket, not valid yet. None that was issued before will be any more."""
        if number < 0:
            return NO_LEASE
        missing = number + 1 - len(self.valid)
        if missing > 0:
            self.valid.frombytes(bytes(self.valid.itemsize * (missing + len(self.valid))))
        self.revoke(number)
        self._last += 1
        return self._last

    def renew(self, number: int, lease: int) -> None:
        """The transport has nothing left to write."""
        self.valid[number] = lease

    def revoke(self, number: int) -> None:
        """The transport may have something left, or belongs to nobody any more."""
        if number >= 0:
            self.valid[number] = NO_LEASE


def find_send_each() -> SendEach | None:
    """The compiled loop; None on an installation that was made without a compiler."""
    try:
        from hornet.engine.transport._direct_write import send_each  # type: ignore[import-not-found]  # compiled, if at all
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
