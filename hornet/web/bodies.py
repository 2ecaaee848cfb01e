"""Request bodies, read within limits of size and time."""

from __future__ import annotations

import asyncio

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
    except (web.RequestPayloadError, OSError):  # OSError: the connection is gone
        raise BrokenBody from None
    return bytes(body)
