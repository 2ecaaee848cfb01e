"""The keys of backends, and what each may do."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

MIN_SECRET_CHARS = 16
"""Of base 62: 95 bits. Whoever guesses a million times a second finds one in a million million years."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECRET = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750, section 2.1: what a bearer token may consist of


class Right(StrEnum):
    """What a key is for; none includes another."""

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
    """One backend's key. ``name`` may appear in logs and metrics; the secret is kept as its digest alone."""

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
        """The key with this secret. Takes as long for a wrong one as for a right one."""
        digest = _digest(secret)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def parse_keys(texts: Iterable[str]) -> Keys:
    """Keys from ``name:rights:secret``, with ``+`` between the rights.

    Raises:
        ValueError: one of them is malformed; the message names it by its place or name, never its secret.
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
