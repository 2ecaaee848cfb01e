"""Which pages may connect: what a browser says in ``Origin``, against what the operator allows.

A browser tells in every WebSocket and cross-origin request where the page came from, and a page can't change
it. A client that is no browser says what it likes, or nothing: this rule protects visitors from foreign
pages, not Hornet from foreign programs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache

ANY = "*"
SAME_HOST = "same-host"
"""Pages from the host that the request names, on any port and over http or https.

The port is left out on purpose. An application on port 8000 with Hornet beside it on 8187 is the set-up that
every developer has, and the usual one behind no proxy. Cookies, which are what a foreign page would abuse,
ignore the port as well (RFC 6265, section 8.5).
"""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#@]+)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", re.IGNORECASE)


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of ``origin`` may connect to ``host`` (the request's ``Host``).

    A request without ``Origin`` comes from no page of another host, and passes.
    """
    if origin is None or ANY in allowed or origin in allowed:
        return True
    return SAME_HOST in allowed and host is not None and is_same_host(origin, host)


@lru_cache(maxsize=256)
def is_same_host(origin: str, host: str) -> bool:
    """Whether an ``Origin`` and a ``Host`` name the same machine; False for what is neither (``null``).

    The names of this machine for itself (``localhost``, ``127.0.0.1``, ``[::1]``) count as one.
    """
    page = _ORIGIN.fullmatch(origin)
    ours, theirs = _host_of(host), _host_of(page[1]) if page is not None else None
    if ours is None or theirs is None:
        return False
    return ours == theirs or (_is_loopback(ours) and _is_loopback(theirs))


def _host_of(authority: str) -> str | None:
    """The host of ``host:port`` in lower case, without the dot that may end a full name."""
    parts = _AUTHORITY.fullmatch(authority)
    return parts[1].lower().removesuffix(".").strip("[]") if parts is not None else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
