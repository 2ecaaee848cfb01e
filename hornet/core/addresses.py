"""Whose address a request comes from, when proxies stand between."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(values: Sequence[str]) -> tuple[Network, ...]:
    """Networks from addresses or CIDR blocks.

    Raises:
        ValueError: one of them is neither; the message names it.
    """
    return tuple(ipaddress.ip_network(value, strict=False) for value in values)


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
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any(
        (mapped or parsed) in network for network in networks if network.version == (mapped or parsed).version
    )
