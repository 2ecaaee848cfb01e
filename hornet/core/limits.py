"""How much a single address or session may ask for, so that one that asks for too much harms no other.

This is pure arithmetic: the caller brings the clock and enforces the answer.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypeVar

from hornet.core import codes
from hornet.core.addresses import parse_ip
from hornet.core.channels import MAX_PUBLISH_NAMES, Names
from hornet.core.errors import PeerError

T = TypeVar("T")

BURST_S = 2.0
"""A peer that was quiet may use the allowance of this time at once: a page asks for several things
as it loads."""


class OverLimit(PeerError):
    """The peer has or asks for more than its share; ``code`` names the limit."""


class RateLimiter:
    """Lets ``per_s`` through each second in the long run, and ``per_s * BURST_S`` at once (a token bucket).

    A refused request does not count: a peer that asks for too much still gets its share.
    """

    __slots__ = ("_at", "_left")

    def __init__(self, per_s: float, now: float) -> None:
        self._left = per_s * BURST_S
        self._at = now

    def offer(self, per_s: float, now: float, count: int = 1) -> bool:
        """Take ``count`` tokens, if there are so many. A clock that goes backwards adds none."""
        self._fill(per_s, now)
        if self._left < count:
            return False
        self._left -= count
        return True

    def take(self, per_s: float, now: float, count: int) -> float:
        """Take ``count`` tokens, if need be before their time; return in how many seconds that is made up."""
        self._fill(per_s, now)
        self._left -= count
        return max(0.0, -self._left / per_s)

    def wait_s(self, per_s: float) -> int:
        """Return in how many whole seconds there is a token again, counted from the last :meth:`offer`."""
        return max(0, math.ceil((1 - self._left) / per_s - 1e-9))

    def is_full(self, per_s: float, now: float) -> bool:
        """Return True if the peer was quiet for so long that the limiter may be forgotten."""
        self._fill(per_s, now)
        return self._left >= per_s * BURST_S

    def _fill(self, per_s: float, now: float) -> None:
        self._left = min(max(1.0, per_s * BURST_S), self._left + max(0.0, now - self._at) * per_s)
        self._at = max(self._at, now)


class Throttle:
    """Lets one of a kind through in ``every_s``: a line of the log that clients may cause again and again.

    Memory: an entry for each kind, so a kind is never a text that a client chose.
    """

    __slots__ = ("_every_s", "_next")

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next: dict[str, float] = {}

    def is_due(self, now: float, kind: str = "") -> bool:
        """Return whether one of this kind may pass now; if so, it counts as passed."""
        if now < self._next.get(kind, now):
            return False
        self._next[kind] = now + self._every_s
        return True


@dataclass(slots=True)
class _AddressUse:
    limiter: RateLimiter
    sessions: int = 0


class AddressLimiter:
    """Counts the sessions of each client address, and how fast they come.

    A /64 network of IPv6 counts as one address, since a client has all of its addresses. Addresses of this
    machine are not counted: they belong to a proxy that Hornet was not told of, and all of its clients would
    share one limit. Memory: an entry for each address that has a session or had one lately.
    """

    def __init__(self) -> None:
        self._peers: dict[str, _AddressUse] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def check_next(self, address: str, max_sessions: int, per_s: float, now: float) -> None:
        """Count one more session of ``address``.

        Raises:
            OverLimit: there are too many, or they come too fast; the session is not counted.
        """
        name = counted_as(address)
        if name is None:
            return
        forget_quiet(self._peers, lambda peer: not peer.sessions and peer.limiter.is_full(per_s, now))
        peer = self._peers.pop(name, None) or _AddressUse(RateLimiter(per_s, now))
        self._peers[name] = peer  # moves to the end, so quiet addresses gather at the start
        if not peer.limiter.offer(per_s, now):
            raise _over(codes.TOO_MANY_CONNECTIONS)
        if peer.sessions >= max_sessions:
            raise _over(codes.TOO_MANY_SESSIONS)
        peer.sessions += 1

    def leave(self, address: str) -> None:
        """Stop counting a session."""
        peer = self._peers.get(counted_as(address) or "")
        if peer is not None:
            peer.sessions -= 1


def forget_quiet(addresses: dict[str, T], is_quiet: Callable[[T], bool]) -> None:
    """Look at the two addresses that come first, and forget the quiet ones; others move to the end.

    A caller that moves each address to the end, as it adds or uses it, calls this before. Two are more than
    such a caller adds, so no quiet address stays for long.
    """
    for name in list(islice(addresses, 2)):
        use = addresses.pop(name)
        if not is_quiet(use):
            addresses[name] = use


@lru_cache(maxsize=1024)
def counted_as(address: str) -> str | None:
    """Return the name under which an address is counted: itself or its /64 network; None if it is not."""
    try:
        parsed = parse_ip(address)
    except ValueError:
        return None
    if parsed.is_loopback:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _over(code: str) -> OverLimit:
    return OverLimit(code, codes.CONNECTIONS[code].sentence)


def check_publishable(held: Names, added: Sequence[str]) -> None:
    """Check that a session that may publish on ``held`` may do so on ``added`` as well.

    Raises:
        OverLimit: the names would be too many.
    """
    if len(held) + len(added) > MAX_PUBLISH_NAMES and len(held | added) > MAX_PUBLISH_NAMES:
        raise OverLimit(
            codes.TOO_MANY_CHANNELS, f"a session may publish on {MAX_PUBLISH_NAMES} names of channels"
        )


def check_channels(held: Sized, added: Sized, max_channels: int) -> None:
    """Check that a session with the channels ``held`` may have those in ``added`` as well.

    Raises:
        OverLimit: it would have too many.
    """
    if len(held) + len(added) > max_channels:
        raise OverLimit(codes.TOO_MANY_CHANNELS, f"a session may have {max_channels} channels")
