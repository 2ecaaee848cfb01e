"""Whose address a request comes from, when proxies stand between."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
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


def client_address(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """The nearest address that is not a trusted proxy's: ``peer`` itself unless the peer is trusted.

    ``X-Forwarded-For`` is read from its right end, where each proxy appends whom it saw, so a client's own
    claim further left never counts. A malformed entry ends the walk.
    """
    address = peer
    hops = [hop.strip() for hop in headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    while hops and _is_in(address, trusted):
        try:
            address = str(ipaddress.ip_address(hops.pop()))
        except ValueError:
            break
    return address


def _is_in(address: str, networks: Sequence[Network]) -> bool:
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
