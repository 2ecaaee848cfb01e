"""Which pages may connect: the check of the ``Origin`` that a browser sends against the allowed origins.

A browser sends the page's origin with every WebSocket and cross-origin request, and the page can't change it.
A client that is not a browser may send any origin, or none. So the rule protects visitors from foreign pages,
not Hornet from foreign programs.

Sources: RFC 6454 (https://www.rfc-editor.org/rfc/rfc6454#section-7) and RFC 6455
(https://www.rfc-editor.org/rfc/rfc6455#section-10.2).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from functools import lru_cache

ANY = "*"
SAME_HOST = "same-host"
"""Pages from the host that the request names, on any port and over http or https.

The port does not count, on purpose. An application on port 8000 with Hornet beside it on 8187 is the set-up
of every developer, and the usual one without a proxy. Cookies, which a foreign page would abuse, ignore the
port as well (RFC 6265, https://www.rfc-editor.org/rfc/rfc6265#section-8.5).
"""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#@]+)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", re.IGNORECASE)


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Return True if a page of ``origin`` may connect to ``host`` (the request's ``Host``).

    A request without ``Origin`` does not come from a page of another host, and passes.
    """
    if origin is None or ANY in allowed or origin in allowed:
        return True
    return SAME_HOST in allowed and host is not None and is_same_host(origin, host)


@lru_cache(maxsize=256)
def is_same_host(origin: str, host: str) -> bool:
    """Return True if an ``Origin`` and a ``Host`` name the same machine; False where either is malformed.

    The origin ``null`` names no machine. The names of this machine for itself (``localhost``, ``127.0.0.1``,
    ``[::1]``) count as one name.
    """
    page = _ORIGIN.fullmatch(origin)
    page_host = _host_of(page[1]) if page is not None else None
    own_host = _host_of(host)
    if page_host is None or own_host is None:
        return False
    return page_host == own_host or (_is_loopback(page_host) and _is_loopback(own_host))


def _host_of(authority: str) -> str | None:
    """Return the host of ``host:port`` in lower case, without the dot that may end a full name."""
    parts = _AUTHORITY.fullmatch(authority)
    return parts[1].lower().removesuffix(".").strip("[]") if parts is not None else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
