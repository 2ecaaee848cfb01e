"""Whose address a request comes from, when proxies stand between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Literal

UNIX: Literal["unix"] = "unix"
"""In place of an address: whoever connects through a Unix socket. The kernel lets no other in."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"]


def parse_networks(values: Sequence[str]) -> tuple[Network, ...]:
    """Networks from addresses, CIDR blocks, or the word ``unix``.

    Raises:
        ValueError: one of them is none of these; the message names it.
    """
    return tuple(UNIX if value == UNIX else ipaddress.ip_network(value, strict=False) for value in values)


def client_address(peer: str, hops: Iterable[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is not a trusted proxy's: ``peer`` itself unless the peer is trusted.

    ``hops`` are what proxies say they saw, the nearest one's word first (see :mod:`hornet.core.forwarded`),
    so a client's own claim further on never counts. A malformed entry ends the walk.
    """
    address = peer
    rest = iter(hops)
    while is_in(address, trusted):
        try:
            address = str(ipaddress.ip_address(next(rest)))
        except (StopIteration, ValueError):
            break
    return address


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """True for an address in one of ``networks``; an IPv4 address may be written in its IPv6 form."""
    if address == UNIX:
        return UNIX in networks
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(
        parsed in network for network in networks if network != UNIX and network.version == parsed.version
    )
