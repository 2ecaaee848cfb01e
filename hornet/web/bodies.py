"""Reading the body of a request within limits of size and time."""

from __future__ import annotations

import asyncio

from aiohttp import web

BODY_TIMEOUT_S = 10.0


class BodyTooLarge(Exception):
    """The body is longer than the route takes; it was read no further."""


class BrokenBody(Exception):
    """The body is not encoded as its headers say, or was cut."""


async def read_body(request: web.Request, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """The whole body, however it is framed.

    Raises:
        BodyTooLarge, BrokenBody: it can't be taken.
        TimeoutError: it did not come in time.
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
    except (web.RequestPayloadError, OSError):  # the latter where the connection is gone
        raise BrokenBody from None
    return bytes(body)
