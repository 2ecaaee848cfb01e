"""Who may use the HTTP API: backends with a key, or, where no key is configured, programs on this machine."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from aiohttp import HttpVersion11, web

from hornet.core import codes
from hornet.core.limits import RateLimiter
from hornet.web.api.problems import Problem

MIN_SECRET_CHARS = 16
"""Of base 62: 95 bits. An attacker with a million guesses a second finds one in a million million years."""

LOCAL = "local"
"""The name under which programs without a key are counted and limited."""

FORWARDING_HEADERS = ("Forwarded", "Via", "X-Real-IP", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")
FORWARDING_PREFIX = "x-forwarded-"
"""Headers that proxies add. A request with one of them was not made by a program on this machine."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# A bearer token: RFC 6750, section 2.1 (https://www.rfc-editor.org/rfc/rfc6750#section-2.1).
_SECRET = re.compile(r"[A-Za-z0-9._~+/=-]+")


# Keys --------------------------------------------------------------------------------------------


class Right(StrEnum):
    """What a key is for; no right includes another."""

    PUBLISH = "publish"
    """Send messages, to channels, patterns and users."""
    MANAGE = "manage"
    """Make and revoke tokens, end sessions, subscribe users."""
    READ = "read"
    """See channels, sessions, users, nodes and history."""
    ADMIN = "admin"
    """Have the node read its configuration again."""


@dataclass(frozen=True, slots=True)
class Key:
    """One backend's key. ``name`` may appear in logs and metrics; of the secret only a digest is kept."""

    name: str
    rights: frozenset[Right]
    digest: bytes = field(repr=False)


class Keys:
    """The configured keys."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, secret: str) -> Key | None:
        """Return the key with this secret. The search takes as long for a wrong secret as for a right one."""
        digest = _digest(secret)
        match = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                match = key
        return match


def parse_keys(texts: Iterable[str]) -> Keys:
    """Parse keys written as ``name:rights:secret``, with ``+`` between the rights.

    Raises:
        ValueError: a text is malformed; the message names it by its place or name, never by its secret.
    """
    keys: dict[str, Key] = {}
    digests: set[bytes] = set()
    for place, text in enumerate(texts, 1):
        key = _parse_key(place, text)
        if key.name in keys:
            raise ValueError(f"there are two keys named {key.name!r}")
        if key.digest in digests:
            raise ValueError(f"the key {key.name!r} has the secret of another one")
        keys[key.name] = key
        digests.add(key.digest)
    return Keys(keys.values())


def _parse_key(place: int, text: str) -> Key:
    name, _, rest = text.partition(":")
    rights, colon, secret = rest.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(f"number {place} is not name:rights:secret")
    try:
        granted = frozenset(Right(right) for right in rights.split("+"))
    except ValueError:
        known = ", ".join(Right)
        raise ValueError(f"the key {name!r} has a right that is none of {known}, joined by +") from None
    if len(secret) < MIN_SECRET_CHARS or not _SECRET.fullmatch(secret):
        raise ValueError(
            f"the secret of {name!r} is not {MIN_SECRET_CHARS} or more of A-Z a-z 0-9 . _ ~ + / = -"
        )
    return Key(name, granted, _digest(secret))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


# Checking a request ------------------------------------------------------------------------------


class Guard:
    """Lets a request in, or raises the problem that says why not."""

    def __init__(self, *, keys: Keys, max_per_s: int) -> None:
        self._keys = keys
        self._max_per_s = max_per_s
        self._limiters: dict[str, RateLimiter] = {}

    def configure(self, *, keys: Keys, max_per_s: int) -> None:
        """Accept exactly these keys from now on, each ``max_per_s`` times a second (0: without limit)."""
        self._keys = keys
        self._max_per_s = max_per_s

    def check(self, request: web.Request, right: Right) -> str:
        """Return the name of the caller, who has ``right``.

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
        self._check_rate(name)
        return name

    def _check_key(self, request: web.Request) -> Key | None:
        headers = request.headers.getall("Authorization", [])
        if not headers:
            if self._keys:
                raise Problem(codes.KEY_MISSING, headers={"WWW-Authenticate": "Bearer"})
            check_local(request)
            return None
        scheme, _, secret = headers[0].partition(" ")
        is_bearer = len(headers) == 1 and scheme.lower() == "bearer"
        key = self._keys.find(secret.strip()) if is_bearer else None
        if key is None:
            # Also where no key is configured: a caller that sends a key expects Hornet to check it.
            raise Problem(codes.KEY_UNKNOWN, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return key

    def _check_rate(self, name: str) -> None:
        per_s, now = self._max_per_s, time.monotonic()
        if not per_s:
            return
        limiter = self._limiters.get(name)
        if limiter is None:
            limiter = self._limiters[name] = RateLimiter(per_s, now)
        if not limiter.offer(per_s, now):
            raise Problem(codes.TOO_MANY_REQUESTS, headers={"Retry-After": str(limiter.wait_s(per_s))})


def check_local(request: web.Request) -> None:
    """Refuse a request that no program on this machine made.

    The address of the peer is not enough: a proxy on this machine has a local address too, and so has a
    browser here that shows a stranger's page. So the request must show no sign of a proxy, and none of a
    page of another origin.

    Raises:
        Problem: ``NOT_LOCAL`` or ``CROSS_SITE``.
    """
    if not _is_local_peer(request) or _is_forwarded(request):
        raise Problem(codes.NOT_LOCAL)
    host = _host_name(f"//{request.headers.get('Host', '')}")
    if not _is_local_name(host):  # a stranger's name that resolves to this machine: DNS rebinding
        raise Problem(codes.NOT_LOCAL, "the Host header names no host of this machine")
    check_same_origin(request.headers)


def check_same_origin(headers: Mapping[str, str]) -> None:
    """Refuse what a browser sends for a page of another origin.

    Raises:
        Problem: ``CROSS_SITE``.
    """
    origin = headers.get("Origin")
    if origin is not None and origin_host(origin) != headers.get("Host", "").lower():
        raise Problem(codes.CROSS_SITE)
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Problem(codes.CROSS_SITE)


def origin_host(origin: str) -> str | None:
    """Return host and port of an origin; None when it has none, as ``null`` has."""
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
    """Check for signs of a proxy. nginx speaks HTTP/1.0 to its upstreams unless configured otherwise."""
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
    """Check for a loopback address, or a name that never resolves elsewhere.

    Source: RFC 6761, section 6.3 (https://www.rfc-editor.org/rfc/rfc6761#section-6.3).
    """
    return host == "localhost" or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
