"""Which pages may connect: the check of the ``Origin`` that a browser sends against the allowed origins.

A browser sends the page's origin with every WebSocket and cross-origin request, and the page can't change it.
A client that is not a browser may send any origin, or none. So the rule protects visitors from foreign pages,
not Hornet from foreign programs.

Sources: RFC 6454 (https://www.rfc-editor.org/rfc/rfc6454#section-7) and RFC 6455
(https://www.rfc-editor.org/rfc/rfc6455#section-10.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from hornet.core.addresses import is_local_name

ANY = "*"
NULL = "null"
"""Stands for the origin of files and of sandboxed frames. Any site can make such a page."""
SAME_HOST = "same-host"
"""Pages from the host that the request names, on any port and over http or https.

The port does not count, on purpose. An application on port 8000 with Hornet beside it on 8187 is the set-up
of every developer, and the usual one without a proxy. Cookies, which a foreign page would abuse, ignore the
port as well (RFC 6265, https://www.rfc-editor.org/rfc/rfc6265#section-8.5).
"""

DEFAULT_PORTS = {"http": "80", "https": "443"}
"""The ports that an origin does not name (RFC 6454, https://www.rfc-editor.org/rfc/rfc6454#section-6.2)."""

_WRITTEN = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#@\s]*)/?", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#@]+)", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9._~-]+|\[[0-9a-f:.]+\]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?", re.IGNORECASE)


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Return True if a page of ``origin`` may connect to ``host`` (the request's ``Host``).

    ``allowed`` has origins as browsers send them (see ``parse_origin``). A request without ``Origin`` does
    not come from a page of another host, and passes.
    """
    if origin is None or ANY in allowed or origin in allowed:
        return True
    if SAME_HOST in allowed and host is not None and is_same_host(origin, host):
        return True
    return normalised(origin) in allowed


def parse_origin(text: str) -> str:
    """Return an origin as browsers send it, from a text as people write it.

    ``HTTPS://Müller.example:443/`` becomes ``https://xn--mller-kva.example``. Pages of apps have other
    schemes: ``file://``, ``capacitor://localhost``, ``chrome-extension://...``.

    Raises:
        ValueError: the text is no origin, and none of ``*``, ``null`` and ``same-host``.
    """
    if text in (ANY, SAME_HOST, NULL):
        return text
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError("it is not scheme://host or scheme://host:port")
    scheme, authority = written[1].lower(), written[2]
    if scheme in ("ws", "wss"):
        raise ValueError("the origin of a page that opens a WebSocket begins with http or https")
    if scheme not in DEFAULT_PORTS:
        return f"{scheme}://{authority.lower()}"
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("it names no host")
    port = authority[parts.end(1) + 1 :].lstrip("0")
    host = parts[1].lower()
    if not host.isascii():
        host = host.encode("idna").decode("ascii")  # a UnicodeError is a ValueError
    elif not _HOST.fullmatch(host):
        raise ValueError("a host has letters, digits, dots and hyphens")
    return f"{scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS[scheme] else "")


@lru_cache(maxsize=256)
def normalised(origin: str) -> str:
    """Return an origin as browsers send it; one that is malformed stays as it is."""
    try:
        return parse_origin(origin)
    except ValueError:
        return origin


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
    return page_host == own_host or (is_local_name(page_host) and is_local_name(own_host))


def _host_of(authority: str) -> str | None:
    """Return the host of ``host:port`` in lower case, without the dot that may end a full name."""
    parts = _AUTHORITY.fullmatch(authority)
    return parts[1].lower().removesuffix(".").strip("[]") if parts is not None else None
