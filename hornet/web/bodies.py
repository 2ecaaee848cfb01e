"""Request bodies, read within limits of size and time.

The size is also that of a compressed body before and after it is decompressed. aiohttp decompresses bodies
before any handler runs, unless the server's connections say that they leave that (``leaves_compressed``).
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

BODY_TIMEOUT_S = 10.0


class BodyTooLarge(Exception):
    """The body is longer than the route takes; the rest was not read."""


class BrokenBody(Exception):
    """The body is not encoded as its headers say, or was cut."""


async def read_body(request: web.Request, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the whole body, whether it has a length or comes in chunks.

    Raises:
        BodyTooLarge: the body is longer than ``max_bytes``.
        BrokenBody: the body is cut, or malformed.
        TimeoutError: the body did not arrive within ``timeout_s``.
    """
    if (request.content_length or 0) > max_bytes:
        raise BodyTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise BodyTooLarge
    except TimeoutError:
        raise
    except (web.RequestPayloadError, OSError, RuntimeError):  # the last two: the connection is gone
        raise BrokenBody from None
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity" or not getattr(request.protocol, "leaves_compressed", False):
        return bytes(body)
    return _decompress(body, coding, max_bytes)


def _decompress(body: bytearray, coding: str, max_bytes: int) -> bytes:
    """Decompress a body that is coded as RFC 9110, section 8.4.1, names it.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.
    """
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BrokenBody
    expand = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by the first bytes
    try:
        data = expand.decompress(body, max_bytes + 1)
    except zlib.error:
        raise BrokenBody from None
    if len(data) > max_bytes:
        raise BodyTooLarge
    if not expand.eof:
        raise BrokenBody
    return data
