"""Requests of programs on this machine, and how they are told from those of proxies and of foreign pages.

The address of the peer is not enough: a proxy on this machine has a local address too, and so has a browser
here that shows a stranger's page. So the request must show no sign of a proxy, name a host of this machine,
and come from no page of another origin.

A forwarder of bytes (``ssh -L``, ``socat``, the port of a container) leaves no sign. Only a key keeps out the
programs behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web
from multidict import CIMultiDictProxy

from hornet.core.addresses import UNIX, Network, is_in, is_local_name, is_loopback

FORWARDING_HEADERS = frozenset(
    {
        "cdn-loop",  # https://www.rfc-editor.org/rfc/rfc8586
        "client-ip",
        "do-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",  # https://www.rfc-editor.org/rfc/rfc7239
        "forwarded-for",
        "max-forwards",
        "proxy-client-ip",
        "true-client-ip",
        "via",
        "wl-proxy-client-ip",
        "x-amz-cf-id",
        "x-amzn-trace-id",
        "x-appengine-user-ip",
        "x-appgw-trace-id",
        "x-client-ip",
        "x-cloud-trace-context",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-host",
        "x-nf-client-connection-ip",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-real-port",
        "x-remote-addr",
        "x-remote-ip",
        "x-rewrite-url",
        "x-scheme",
        "x-varnish",
    }
)
"""Headers that proxies, balancers and networks of delivery add. No program on this machine needs them."""

FORWARDING_PREFIXES = (
    "cf-",
    "cloudfront-",
    "tailscale-",
    "x-akamai-",
    "x-arr-",
    "x-azure-",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-vercel-",
)


def is_from_loopback(request: web.Request) -> bool:
    """Return whether the connection comes from this machine over TCP."""
    peer = peer_of(request)
    return peer is not None and peer != UNIX and is_loopback(peer)


def is_from_this_machine(request: web.Request) -> bool:
    """Return whether the connection comes from this machine, over TCP or the Unix socket."""
    return peer_of(request) == UNIX or is_from_loopback(request)


def is_from_proxy(request: web.Request, trusted: Sequence[Network]) -> bool:
    """Return whether the peer is a trusted proxy."""
    peer = peer_of(request)
    return peer is not None and is_in(peer, trusted)


def peer_of(request: web.Request) -> str | None:
    """Return the address that opened the connection, or ``"unix"``; None for a connection that is gone."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, tuple):
        return str(peer[0])
    return UNIX if isinstance(peer, str | bytes) else None


def is_forwarded(request: web.Request) -> bool:
    """Check for signs of a proxy. nginx speaks HTTP/1.0 to its upstreams unless configured otherwise."""
    if request.version < HttpVersion11:
        return True
    names = [name.lower() for name in request.headers]
    return not FORWARDING_HEADERS.isdisjoint(names) or any(
        name.startswith(FORWARDING_PREFIXES) for name in names
    )


def names_this_machine(request: web.Request) -> bool:
    """Check that ``Host`` is a name of this machine.

    A stranger's name that leads here was made to do so: DNS rebinding.
    """
    return is_local_name(host_name(f"//{request.headers.get('Host', '')}"))


def is_cross_site(headers: CIMultiDictProxy[str]) -> bool:
    """Check for what a browser sends for a page of another origin."""
    origins = headers.getall("Origin", ())
    if any(origin_host(origin) != headers.get("Host", "").lower() for origin in origins):
        return True
    return any(site not in ("none", "same-origin") for site in headers.getall("Sec-Fetch-Site", ()))


def origin_host(origin: str) -> str | None:
    """Return host and port of an origin; None when it has none, as ``null`` has."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def host_name(url: str) -> str:
    """Return the host of a URL; "" where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
