"""The address of a client behind proxies: which headers have it, how they are read, and which entry counts.

Each proxy appends the address that it saw at the right end of ``X-Forwarded-For``, or of ``Forwarded``
(RFC 7239, https://www.rfc-editor.org/rfc/rfc7239#section-4). Everything to the left of that entry came with
the request, so a client may have invented it. Both headers are therefore read from the right, and everything
to the left of a malformed entry is ignored. An address may have a port behind it, and IPv6 brackets around
it, as gateways of Azure write them (RFC 7239, https://www.rfc-editor.org/rfc/rfc7239#section-6).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

UNIX: Literal["unix"] = "unix"
"""Stands for the address of a peer that connects through a Unix socket. The permissions of the socket's file
decide which processes can connect."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network | Literal["unix"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[][:/!#$%&'*+.^_`|~0-9A-Za-z-]+"  # proxies also write [::1] and 1.2.3.4:80 without the quotes
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_PAIR = re.compile(rf"({_TOKEN})=({_VALUE}|{_QUOTED})")
# RFC 7239, section 4: an element is a list of pairs, separated by semicolons.
_ELEMENT = re.compile(rf"{_PAIR.pattern}(?:[ \t]*;[ \t]*{_PAIR.pattern})*")
# RFC 7239, section 6: a node is an address, in brackets for IPv6, with an optional port.
_NODE = re.compile(r"\"?(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\w+)?\"?")


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an address. One of IPv4 that is written in its IPv6 form is one of IPv4.

    Raises:
        ValueError: the text is no address.
    """
    parsed = ipaddress.ip_address(text)
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_loopback(text: str) -> bool:
    """Return True for an address of this machine for itself."""
    try:
        return parse_ip(text).is_loopback
    except ValueError:
        return False


def is_local_name(host: str) -> bool:
    """Return True for a loopback address, or a name that never resolves elsewhere.

    Source: RFC 6761, section 6.3 (https://www.rfc-editor.org/rfc/rfc6761#section-6.3).
    """
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def parse_networks(values: Sequence[str]) -> tuple[Network, ...]:
    """Parse addresses, CIDR blocks and the word ``unix`` into networks.

    Raises:
        ValueError: a value has none of these forms; the message names the value.
    """
    return tuple(UNIX if value == UNIX else ipaddress.ip_network(value, strict=False) for value in values)


def client_address(peer: str, hops: Iterable[str], trusted: Sequence[Network]) -> str:
    """Return the nearest address that belongs to no trusted proxy: ``peer`` itself unless it is trusted.

    ``hops`` are the addresses that the proxies report, the nearest proxy's report first (see ``HOPS``). An
    address that a client invents stands further on, so it never counts. A malformed entry ends the search.
    """
    address = peer
    remaining = iter(hops)
    while is_in(address, trusted):
        try:
            address = str(parse_ip(next(remaining)))
        except (StopIteration, ValueError):
            break
    return address


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Return True for an address in one of ``networks``; IPv4 addresses may be written in their IPv6 form."""
    if address == UNIX:
        return UNIX in networks
    try:
        parsed = parse_ip(address)
    except ValueError:
        return False
    return any(
        parsed in network for network in networks if network != UNIX and network.version == parsed.version
    )


def forwarded_for(text: str) -> Iterator[str]:
    """Yield the hops of ``X-Forwarded-For`` from the right, without brackets and port.

    They may not be addresses.
    """
    for hop in reversed(text.split(",")):
        if hop := hop.strip():
            node = _NODE.fullmatch(hop)
            yield (node[1] or node[2]) if node else hop


def forwarded(text: str) -> Iterator[str]:
    """Yield the ``for`` of each element of ``Forwarded`` from the right, without brackets and port.

    An element starts at the last comma after which everything is well-formed. A quote that a client left open
    therefore can't hide the elements that proxies appended. An element that names no address yields "".
    """
    while text := text.rstrip(" \t,"):
        cut = len(text)
        while True:
            cut = text.rfind(",", 0, cut)
            element = text[cut + 1 :].strip(" \t")
            if _ELEMENT.fullmatch(element):
                break
            if cut < 0:
                return
        yield _node_address(element)
        text = text[: max(cut, 0)]


def _node_address(element: str) -> str:
    for name, value in _PAIR.findall(element):
        if name.lower() == "for":
            node = _NODE.fullmatch(value)
            return (node[1] or node[2]) if node else ""
    return ""


HOPS = {"X-Forwarded-For": forwarded_for, "Forwarded": forwarded}
"""The headers that may be trusted, each with the function that reads its hops."""
