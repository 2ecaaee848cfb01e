"""permessage-deflate without context takeover.

Source: RFC 7692, section 7 (https://www.rfc-editor.org/rfc/rfc7692#section-7); takeover is section 7.1.1.

Without takeover each message is compressed on its own, so a compressed frame too is the same for every
recipient, and a connection holds no zlib window, which would be 300 KiB for each.
"""

from __future__ import annotations

import zlib

from hornet.core import codes
from hornet.engine.errors import Malformed

RESPONSE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

_TAIL = b"\x00\x00\xff\xff"
"""The end of a flushed block, which is not sent (RFC 7692, section 7.2.1)."""


def negotiate(offers: str) -> str | None:
    """Return the extension to answer with (RFC 7692, section 5.1); None when no offer can be accepted.

    Declines an offer with ``server_max_window_bits`` (section 7.1.2.1), which browsers do not send.
    """
    for offer in offers.split(","):
        name, *params = [part.strip().lower() for part in offer.split(";")]
        known = {"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"}
        if name == "permessage-deflate" and all(p.split("=")[0].strip() in known for p in params):
            return RESPONSE
    return None


def deflate(payload: bytes) -> bytes:
    """Compress the payload of a message (RFC 7692, section 7.2.1)."""
    squeeze = zlib.compressobj(level=6, wbits=-15)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


def inflate(payload: bytes, max_bytes: int) -> bytes:
    """Decompress the payload of a message (RFC 7692, section 7.2.2), at most ``max_bytes``.

    Raises:
        Malformed: the payload is not deflated, or becomes larger than ``max_bytes``.
    """
    try:
        expand = zlib.decompressobj(wbits=-15)
        data = expand.decompress(payload + _TAIL, max_bytes + 1)
    except zlib.error:
        raise Malformed(codes.BAD_DEFLATE, "a compressed message can't be read", 1007) from None
    if len(data) > max_bytes:
        raise Malformed(codes.TOO_BIG, "the message is too big", 1009)
    return data
