"""Who may use the API: backends with a key, or, where none is configured, programs on this machine."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from hornet.core import codes
from hornet.core.limits import RateLimiter
from hornet.web.api.counts import ApiCounts
from hornet.web.api.keys import Key, Keys, Right, parse_keys
from hornet.web.api.problems import Problem
from hornet.web.api.settings import ApiSettings

LOCAL = "local"
"""The name under which programs without a key are counted and limited."""

FORWARDING_HEADERS = ("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")
FORWARDING_PREFIX = "x-forwarded-"
"""What proxies add. A request with one of these was not made by a program on this machine."""


class Guard:
    """Lets a request in, or raises the problem that says why not. Every refusal is counted by the caller."""

    def __init__(self, settings: ApiSettings, counts: ApiCounts) -> None:
        self._keys: Keys
        self._per_s: int
        self._allowances: dict[str, RateLimiter] = {}
        self._counts = counts
        self.configure(settings)

    def configure(self, settings: ApiSettings) -> None:
        """Let in by these settings from now on: a key that is not among them is no key any more."""
        self._keys = parse_keys(settings.api_keys)
        self._per_s = settings.api_rate

    def check(self, request: web.Request, right: Right) -> str:
        """The name of who asks.

        Raises:
            Problem: ``KEY_MISSING``, ``KEY_UNKNOWN``, ``RIGHT_MISSING``, ``NOT_LOCAL``, ``CROSS_SITE`` or
                ``TOO_MANY_REQUESTS``.
        """
        key = self._check_key(request)
        if key is not None and right not in key.rights:
            raise Problem(
                codes.RIGHT_MISSING, f"the key {key.name!r} does not have the right {right.value!r}"
            )
        name = LOCAL if key is None else key.name
        self._check_pace(name)
        self._counts.keys[name] += 1
        return name

    def _check_pace(self, name: str) -> None:
        per_s, now = self._per_s, time.monotonic()
        if not per_s:
            return
        allowance = self._allowances.get(name)
        if allowance is None:
            allowance = self._allowances[name] = RateLimiter(per_s, now)
        if not allowance.offer(per_s, now):
            raise Problem(codes.TOO_MANY_REQUESTS, headers={"Retry-After": str(allowance.wait_s(per_s))})

    def _check_key(self, request: web.Request) -> Key | None:
        shown = request.headers.getall("Authorization", [])
        if not shown:
            if self._keys:
                raise Problem(codes.KEY_MISSING, headers={"WWW-Authenticate": "Bearer"})
            check_local(request)
            return None
        scheme, _, secret = shown[0].partition(" ")
        key = self._keys.find(secret.strip()) if len(shown) == 1 and scheme.lower() == "bearer" else None
        if key is None:
            # Also where no key is configured: who shows one expects it to be checked.
            raise Problem(codes.KEY_UNKNOWN, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return key


def check_local(request: web.Request) -> None:
    """Pass for a program on this machine.

    The peer's address alone does not tell: a proxy on this machine has it too, and so has a browser here
    that shows a stranger's page. So nothing may show a proxy, and nothing may show a page of another origin.

    Raises:
        Problem: ``NOT_LOCAL`` or ``CROSS_SITE``.
    """
    if not _is_local_peer(request) or _is_forwarded(request):
        raise Problem(codes.NOT_LOCAL)
    host = _host_name(f"//{request.headers.get('Host', '')}")
    if not _is_local_name(host):  # a name of somebody else's that leads here: DNS rebinding
        raise Problem(codes.NOT_LOCAL, "the Host header names no host of this machine")
    check_same_origin(request.headers)


def check_same_origin(headers: Mapping[str, str]) -> None:
    """Pass for what is no browser, and for a page of this server's own.

    Raises:
        Problem: ``CROSS_SITE``.
    """
    origin = headers.get("Origin")
    if origin is not None and urlsplit_safely(origin) != headers.get("Host", "").lower():
        raise Problem(codes.CROSS_SITE)
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Problem(codes.CROSS_SITE)


def urlsplit_safely(origin: str) -> str | None:
    """Host and port of an origin; None when it has none, as ``null`` has."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _is_local_peer(request: web.Request) -> bool:
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if isinstance(peer, str | bytes):  # a Unix socket
        return True
    return isinstance(peer, tuple) and _is_loopback(str(peer[0]))


def _is_forwarded(request: web.Request) -> bool:
    """True for what a proxy made. nginx speaks HTTP/1.0 to its upstreams if nobody tells it otherwise."""
    return (
        request.version < HttpVersion11
        or any(name in request.headers for name in FORWARDING_HEADERS)
        or any(name.lower().startswith(FORWARDING_PREFIX) for name in request.headers)
    )


def _host_name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_local_name(host: str) -> bool:
    """Names that lead nowhere but here (RFC 6761, section 6.3), and loopback addresses."""
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
