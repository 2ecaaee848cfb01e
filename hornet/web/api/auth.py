"""Who may use the HTTP API: backends with a key, or, where no key is configured, programs on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from hornet.core import codes
from hornet.core.addresses import Network
from hornet.core.limits import RateLimiter
from hornet.core.options import MIN_SECRET_CHARS
from hornet.web.api.problems import Problem
from hornet.web.local_requests import (
    is_cross_site,
    is_forwarded,
    is_from_loopback,
    is_from_proxy,
    is_from_this_machine,
    names_this_machine,
)

LOCAL = "local"
"""The name under which programs without a key are counted and limited."""

LOOPBACK = "loopback"
CLOSED = "closed"
KEYLESS = {
    LOOPBACK: "programs that connect over TCP from this machine, but no trusted proxies",
    LOCAL: "also those on the Unix socket and trusted proxies on this machine",
    CLOSED: "nobody",
}
"""Who may use the API while no key is configured."""

HOW_TO_SEND = "Authorization: Bearer <secret>"

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


@dataclass(frozen=True, slots=True)
class KeylessAccess:
    """Who needs no key while none is configured."""

    mode: str = LOOPBACK
    """One of ``KEYLESS``."""
    trusted_proxies: tuple[Network, ...] = ()
    """A peer of these speaks for others, whom its address does not prove to be on this machine."""


class Guard:
    """Lets a request in, or raises the problem that says why not."""

    def __init__(self, *, keys: Keys, max_per_s: int, keyless: KeylessAccess) -> None:
        self._keys = keys
        self._keyless = keyless
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
        return self._admit(self._check_key(request), right)

    def check_with_password(self, request: web.Request, right: Right) -> str:
        """Do as :meth:`check`, and take a key also as the password of HTTP Basic, with its name as the user.

        Raises:
            Problem: as :meth:`check`.
        """
        credentials = _basic_credentials(request.headers.getall("Authorization", []))
        if credentials is None:
            return self.check(request, right)
        name, secret = credentials
        key = self._keys.find(secret)
        if key is None or key.name != name:
            raise Problem(
                codes.KEY_UNKNOWN,
                "HTTP Basic takes the name of a key in api_keys as the user, and its secret as the password",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return self._admit(key, right)

    def _admit(self, key: Key | None, right: Right) -> str:
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
                raise Problem(
                    codes.KEY_MISSING,
                    f"send the header '{HOW_TO_SEND}', with the secret of a key in api_keys",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            check_local(request, self._keyless)
            return None
        scheme, _, secret = headers[0].partition(" ")
        is_bearer = len(headers) == 1 and scheme.lower() == "bearer"
        key = self._keys.find(secret.strip()) if is_bearer else None
        if key is None:
            # Also where no key is configured: a caller that sends a key expects Hornet to check it.
            raise Problem(
                codes.KEY_UNKNOWN,
                _what_is_wrong(is_bearer=is_bearer, secret=secret, has_keys=bool(self._keys)),
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
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


def _what_is_wrong(*, is_bearer: bool, secret: str, has_keys: bool) -> str:
    """Say how to send a key. The answer holds nothing of what the caller sent."""
    if not is_bearer:
        return f"the header is not '{HOW_TO_SEND}'"
    if not has_keys:
        return "no key is configured; set api_keys, or send no key from the server's own machine"
    if ":" in secret:
        return f"the header is '{HOW_TO_SEND}': send the secret alone, without the key's name and rights"
    return "no key in api_keys has this secret"


def _basic_credentials(headers: Sequence[str]) -> tuple[str, str] | None:
    """Return the user and the password of HTTP Basic; None where the request has no such header.

    Source: RFC 7617, section 2 (https://www.rfc-editor.org/rfc/rfc7617#section-2).
    """
    if len(headers) != 1:
        return None
    scheme, _, encoded = headers[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def check_local(request: web.Request, access: KeylessAccess) -> None:
    """Refuse a request that needs a key although none is configured.

    Raises:
        Problem: ``NOT_LOCAL`` or ``CROSS_SITE``.
    """
    if access.mode == CLOSED:
        raise Problem(codes.NOT_LOCAL, "no key is configured, and without a key the API is closed")
    if not is_from_this_machine(request) or is_forwarded(request):
        raise Problem(codes.NOT_LOCAL)
    if access.mode != LOCAL and (
        not is_from_loopback(request) or is_from_proxy(request, access.trusted_proxies)
    ):
        raise Problem(codes.NOT_LOCAL, "the Unix socket and trusted proxies need a key: set api_keys")
    if not names_this_machine(request):
        raise Problem(codes.NOT_LOCAL, "the Host header names no host of this machine")
    if is_cross_site(request.headers):
        raise Problem(codes.CROSS_SITE)
