"""Which coding a client takes a response in, by its ``Accept-Encoding``.

Source: RFC 9110, section 12.5.3 (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

# RFC 9110, section 12.4.2: a weight is a number from 0 to 1 with at most three digits behind the point.
_OFFER = re.compile(
    r"([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?", re.IGNORECASE
)

IDENTITY = "identity"


@lru_cache(maxsize=64)
def preferred_coding(accepted: str, offered: Sequence[str]) -> str | None:
    """Return the coding of ``offered`` that the client likes best; None when it likes none, or none better.

    Of equal ones the first of ``offered`` is chosen. A part of the header that is malformed says nothing.
    """
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        offer = _OFFER.fullmatch(part.strip(" \t"))
        if offer is not None:
            weights[offer[1].lower()] = float(offer[2] or 1)
    rest = weights.get("*", 0.0)
    best, weight = None, 0.0
    for coding in offered:
        if weights.get(coding, rest) > weight:
            best, weight = coding, weights.get(coding, rest)
    return None if weight < weights.get(IDENTITY, 0.0) else best
