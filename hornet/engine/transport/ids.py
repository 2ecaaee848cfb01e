"""Ids that cannot be guessed, at little cost.

To ask the system for the randomness of a single id costs more than the rest of making it. So the randomness
of many ids is asked for at a time. The ids that wait for their use are as secret as the ids in use.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

ID_BYTES = 15
"""120 bits. A multiple of 3: in base 64 each id takes whole characters, so a block of them can be cut."""

ID_CHARS = ID_BYTES * 4 // 3

IDS_PER_BLOCK = 256


def generate_ids() -> Iterator[str]:
    """Yield ids of ``ID_CHARS`` characters that are safe in URLs, JSON and names of rooms, without end.

    The alphabet is that of base64url (RFC 4648, https://www.rfc-editor.org/rfc/rfc4648#section-5).
    """
    while True:
        block = base64.urlsafe_b64encode(secrets.token_bytes(ID_BYTES * IDS_PER_BLOCK)).decode("ascii")
        for at in range(0, len(block), ID_CHARS):
            yield block[at : at + ID_CHARS]
