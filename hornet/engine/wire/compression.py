"""permessage-deflate (RFC 7692) without context takeover.

Without takeover each message is compressed on its own, so the compressed frame too is the same for every
recipient, and a connection holds no zlib window (which would be 300 KiB for each).
"""

from __future__ import annotations

import zlib

from hornet.core import codes
from hornet.engine.errors import Malformed

RESPONSE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

_TAIL = b"\x00\x00\xff\xff"


def negotiate(offers: str) -> str | None:
    """The extension to answer with, or None when no offer can be taken.

    An offer that limits the server's window is passed over: browsers do not send one.
    """
    for offer in offers.split(","):
        name, *params = [part.strip().lower() for part in offer.split(";")]
        known = {"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"}
        if name == "permessage-deflate" and all(p.split("=")[0].strip() in known for p in params):
            return RESPONSE
    return None


def deflate(payload: bytes) -> bytes:
    """A message's payload, compressed."""
    squeeze = zlib.compressobj(level=6, wbits=-15)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


def inflate(payload: bytes, max_bytes: int) -> bytes:
    """A message's payload as it was; never more than ``max_bytes`` of it.

    Raises:
        Malformed: not deflated, or larger than that.
    """
    try:
        expand = zlib.decompressobj(wbits=-15)
        data = expand.decompress(payload + _TAIL, max_bytes + 1)
    except zlib.error:
        raise Malformed(codes.BAD_DEFLATE, "a compressed message can't be read", 1007) from None
    if len(data) > max_bytes:
        raise Malformed(codes.TOO_BIG, "the message is too big", 1009)
    return data
