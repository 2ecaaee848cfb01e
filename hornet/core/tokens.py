"""One-time tokens: their form, and how they are made."""

from __future__ import annotations

import secrets
import string
from typing import TypeGuard

from hornet.core.channels import is_utf8_text

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

DEFAULT_TOKEN_LENGTH = 9
"""62^9 is 1.35e16: guessing at 10,000 attempts a second finds one of 1,000 live tokens after 43 years."""

DEFAULT_TOKEN_TTL_S = 120
"""How long an unused token lives; the Node server's connectors use the same."""

MAX_TOKEN_CHARS = 512
"""Connectors of other languages make longer tokens than Hornet's; none comes near this."""


def create_token(length: int = DEFAULT_TOKEN_LENGTH) -> str:
    """Return a fresh token of ``length`` base-62 characters from the system's cryptographic generator.

    Tokens are independent: one that is known tells nothing about the others.
    """
    if length < 1:
        raise ValueError("a token has at least one character")
    return "".join(secrets.choice(BASE62) for _ in range(length))


def is_token(value: object) -> TypeGuard[str]:
    """Return True for a non-empty string of limited length that can be part of a Redis key."""
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_CHARS and is_utf8_text(value)
