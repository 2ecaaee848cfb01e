"""Newcomers: connections and sessions that have shown no credential yet, and their share of the node.

Anybody may connect, so what newcomers send and what they leave unfinished is limited further than by the
limits of each session. The newcomers of one address share a rate of packets and of bytes. All newcomers
together may leave only so many bytes with the node: half a request, half a frame, fragments, half a body, a
packet whose attachments are still to come, events that wait until a credential is checked. One address may
leave a part of that.

Addresses of this machine are not counted, since they belong to a proxy that Hornet was not told of. Each of
their sessions then has a rate of its own.
"""

from __future__ import annotations

import asyncio

from hornet.core import codes
from hornet.core.limits import RateLimiter, counted_as, forget_quiet
from hornet.engine.errors import Malformed
from hornet.engine.settings import EngineSettings

PART_OF_ADDRESS = 4
"""One address may leave the fourth part of ``max_unauthenticated_held_bytes`` with the node."""


class Share:
    """What the newcomers of one address may still send, and how many bytes they left with the node."""

    __slots__ = ("bytes", "held", "members", "packets")

    def __init__(self, settings: EngineSettings, now: float) -> None:
        self.packets = RateLimiter(settings.max_unauthenticated_packet_rate, now)
        self.bytes = RateLimiter(settings.max_unauthenticated_byte_rate, now)
        self.held = 0
        self.members = 0

    def is_quiet(self, settings: EngineSettings, now: float) -> bool:
        """Return whether the address has no newcomers, and may send as much as one that never had any."""
        return (
            not self.members
            and self.packets.is_full(settings.max_unauthenticated_packet_rate, now)
            and self.bytes.is_full(settings.max_unauthenticated_byte_rate, now)
        )


class Newcomers:
    """All newcomers of one node."""

    def __init__(self, settings: EngineSettings) -> None:
        self.held = 0
        """How many bytes all of them have left with the node."""
        self._shares: dict[str, Share] = {}
        self.configure(settings)

    def __len__(self) -> int:
        """Return how many addresses have a share."""
        return len(self._shares)

    def configure(self, settings: EngineSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings

    def enter(self, address: str) -> Newcomer:
        """Return a newcomer of an address."""
        now = asyncio.get_running_loop().time()
        name = counted_as(address)
        if name is None:
            return Newcomer(self, Share(self._settings, now), is_counted=False)
        forget_quiet(self._shares, lambda share: share.is_quiet(self._settings, now))
        share = self._shares.pop(name, None) or Share(self._settings, now)
        self._shares[name] = share  # moves to the end, so quiet addresses gather at the start
        share.members += 1
        return Newcomer(self, share, is_counted=True)

    def hold(self, share: Share, size: int, *, is_counted: bool) -> None:
        """Count ``size`` bytes more that were left with the node, or fewer.

        Raises:
            Malformed: all newcomers, or those of the address, have left too much. Nothing is counted.
        """
        if size > 0:
            most = self._settings.max_unauthenticated_held_bytes
            if self.held + size > most or (is_counted and share.held + size > most // PART_OF_ADDRESS):
                raise Malformed(codes.TOO_MUCH_HELD, "too much is unfinished: try again", 1013)
        self.held += size
        share.held += size

    def take_bytes(self, share: Share, size: int, now: float) -> None:
        """Count bytes that came.

        Raises:
            Malformed: they come too fast.
        """
        if not share.bytes.offer(self._settings.max_unauthenticated_byte_rate, now, size):
            raise too_many_bytes()

    def take_packets(self, share: Share, count: int, now: float) -> bool:
        """Count packets that came; False when they come too fast."""
        return share.packets.offer(self._settings.max_unauthenticated_packet_rate, now, count)


class Newcomer:
    """One connection or session that has shown no credential yet."""

    __slots__ = ("_has_left", "_held", "_is_counted", "_newcomers", "_share", "_waiting")

    def __init__(self, newcomers: Newcomers, share: Share, *, is_counted: bool) -> None:
        self._newcomers = newcomers
        self._share = share
        self._is_counted = is_counted
        self._has_left = False
        self._held = 0
        self._waiting = 0
        """How much of what it holds are packets that wait to be handled."""

    def hold(self, size: int) -> None:
        """Count ``size`` bytes more that were left with the node, or fewer; nothing after :meth:`leave`.

        Raises:
            Malformed: newcomers have left too much.
        """
        if not self._has_left:
            self._newcomers.hold(self._share, size, is_counted=self._is_counted)
            self._held += size

    def hold_waiting(self, size: int) -> None:
        """Say how many bytes of packets wait to be handled now.

        Raises:
            Malformed: newcomers have left too much.
        """
        if size != self._waiting:
            self.hold(size - self._waiting)
            self._waiting = size

    def take_bytes(self, size: int, now: float) -> None:
        """Count bytes that came.

        Raises:
            Malformed: the newcomers of the address send too fast.
        """
        self._newcomers.take_bytes(self._share, size, now)

    def take_packets(self, count: int, now: float) -> bool:
        """Count packets that came; False when the newcomers of the address send too fast."""
        return self._newcomers.take_packets(self._share, count, now)

    def leave(self) -> None:
        """Give all back: the credential was accepted, or the connection ended."""
        if not self._has_left:
            self._newcomers.hold(self._share, -self._held, is_counted=False)
            self._share.members -= 1
            self._has_left = True


def too_many_bytes() -> Malformed:
    """Return the error for more bytes than newcomers may send; 1008 is a violation of a policy."""
    return Malformed(codes.TOO_MANY_BYTES, "too many bytes", 1008)
