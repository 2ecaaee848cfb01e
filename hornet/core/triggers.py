"""Signed triggers, as pushy's backends make them: the URL proves that its sender knows the secret."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from hornet.core.errors import PeerError

MAX_SKEW_S = 600
"""How far the clock of a backend may be off; with more, a copied request would be valid for too long."""

MISSING = "400"
EXPIRED = "501"
WRONG_KEY = "403"
"""pushy's own codes."""


class RefusedTrigger(PeerError):
    """A trigger that is refused."""


def sign_trigger(secret: str, channel: str, event: str, timestamp: str, body: str) -> str:
    """Return the ``auth_key`` of a trigger. ``body`` is its JSON text; the channel counts in lower case."""
    signed = f"{channel.lower()}:{event}:{timestamp}:{body}:{secret}"
    return hashlib.sha256(signed.encode()).hexdigest()


def check_trigger(
    secret: str,
    channel: str,
    event: str,
    timestamp: str,
    bodies: Sequence[str],
    auth_key: str,
    now_s: float,
) -> int:
    """Return the index of the first of ``bodies``, the texts that may have been signed, that the key fits.

    Raises:
        RefusedTrigger: ``EXPIRED`` or ``WRONG_KEY``.
    """
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 15:
        raise RefusedTrigger(EXPIRED, "The timestamp is no time in seconds")
    if abs(now_s - int(timestamp)) >= MAX_SKEW_S:
        raise RefusedTrigger(EXPIRED, f"The timestamp is {MAX_SKEW_S} seconds or more from the server's time")
    given = auth_key.lower().encode("utf-8", "replace")
    right = [
        hmac.compare_digest(sign_trigger(secret, channel, event, timestamp, body).encode(), given)
        for body in bodies
    ]
    if not any(right):
        raise RefusedTrigger(WRONG_KEY, "The auth_key is wrong")
    return right.index(True)
