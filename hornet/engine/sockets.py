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
"""Sends bytes to the sockets from one index to another, as far as the gate lets their tickets through.

Tells the index of each that did not take all, and what it took: ``NOT_TRIED`` where the gate is shut.
"""

MOST = 1024
"""Sockets that one call takes; the C source has the same number."""

NO_SOCKET = -1
NO_TICKET = 0
NOT_TRIED = -1


class Gate:
    """Which sockets may be written to past their transports at this moment.

    For each file number it knows the ticket that may pass. A ticket is for one session, in one form, on one
    socket. A transport that is written to may have something left, so its gate is shut until somebody has
    looked; and a ticket is worthless for good once its session has ended or changed its form, however long
    a list keeps it. So lists of sockets may be kept, without ever being told of what becomes of a session;
    and looking at a socket's gate costs 8 bytes of memory, where its session and transport are a dozen lines
    of the processor's cache, which the kernel's own work has emptied since the last message.
    """

    __slots__ = ("_last", "tickets")

    def __init__(self) -> None:
        self.tickets = array("Q")
        self._last = NO_TICKET

    def admit(self, number: int) -> int:
        """A new ticket for the socket. Its gate is shut, whoever had a ticket for it before."""
        if number < 0:
            return NO_TICKET
        missing = number + 1 - len(self.tickets)
        if missing > 0:
            self.tickets.frombytes(bytes(self.tickets.itemsize * (missing + len(self.tickets))))
        self.shut(number)
        self._last += 1
        return self._last

    def open(self, number: int, ticket: int) -> None:
        """Let the ticket pass: its transport has nothing left to write."""
        self.tickets[number] = ticket

    def shut(self, number: int) -> None:
        """Let nobody pass."""
        if number >= 0:
            self.tickets[number] = NO_TICKET


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
