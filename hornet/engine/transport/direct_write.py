"""Writes to many plain sockets in one call, past their asyncio transports, where the compiled part was built.

Everything works without the compiled part, at a higher price for each delivery: ``transport.write`` is some
2 µs of bookkeeping around a system call that costs 5.
"""

from __future__ import annotations

import asyncio
import socket
from array import array
from collections.abc import Callable

SendEach = Callable[["array[int]", "array[int]", "array[int]", int, int, bytes], list[tuple[int, int]]]
"""Sends bytes to the sockets from one index to another, as far as their leases are valid.

Returns the index of each socket that did not take all, and how many bytes it took: ``NOT_TRIED`` where the
lease is not valid.
"""

MOST = 1024
"""Most sockets that one call takes; the C source has the same number."""

NO_SOCKET = -1
NO_LEASE = 0
NOT_TRIED = -1


class WriteLeases:
    """The sockets that may be written to past their transports at this moment.

    For each file number there is at most one valid lease. A lease is for one session, in one wire format, on
    one socket. After a write through a transport, some of it may still be in the transport's buffer, so no
    lease is valid until the fan-out has looked at that buffer. Once the session has ended or changed its
    format, its lease never becomes valid again, however long a list keeps it.

    So a list of sockets may be kept, and needs no update when a session changes. To check a lease
    costs 8 bytes of memory. A session and its transport are a dozen lines of the processor's cache, which the
    kernel's own work has emptied since the last message.
    """

    __slots__ = ("_last", "valid")

    def __init__(self) -> None:
        self.valid = array("Q")
        """The valid lease of each file number; ``NO_LEASE`` where there is none."""
        self._last = NO_LEASE

    def grant(self, number: int) -> int:
        """Return a new lease for a socket, not valid yet. Its earlier leases are valid no more."""
        if number < 0:
            return NO_LEASE
        missing = number + 1 - len(self.valid)
        if missing > 0:
            self.valid.frombytes(bytes(self.valid.itemsize * (missing + len(self.valid))))
        self.revoke(number)
        self._last += 1
        return self._last

    def renew(self, number: int, lease: int) -> None:
        """Make a lease valid: the transport has nothing left to write."""
        self.valid[number] = lease

    def revoke(self, number: int) -> None:
        """Make the lease of a socket invalid: its transport may have bytes left, or its session has ended."""
        if number >= 0:
            self.valid[number] = NO_LEASE


def find_send_each() -> SendEach | None:
    """Return the compiled loop; None on an installation that was made without a compiler."""
    try:
        from hornet.engine.transport._direct_write import send_each  # type: ignore[import-not-found]  # compiled, if at all
    except ImportError:
        return None
    compiled: SendEach = send_each
    return compiled


def plain_socket(transport: asyncio.Transport) -> int:
    """Return the file number of the stream socket that gets the transport's bytes unchanged.

    ``NO_SOCKET`` where that is not certain: TLS, for one, changes the bytes on their way to the socket.
    """
    if transport.get_extra_info("sslcontext") is not None:
        return NO_SOCKET
    below = transport.get_extra_info("socket")
    if below is None or below.type != socket.SOCK_STREAM:
        return NO_SOCKET
    number: int = below.fileno()
    return number
