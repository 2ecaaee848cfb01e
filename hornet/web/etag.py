"""Conditional requests: a browser downloads only files that have changed.

Source: RFC 9110, section 13 (https://www.rfc-editor.org/rfc/rfc9110#section-13).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aiohttp import web

from hornet.core.headers import combined


def etag_of(body: bytes) -> str:
    """Return a tag that no other body has."""
    return hashlib.sha256(body).hexdigest()[:16]


def respond(
    request: web.Request, body: bytes, etag: str, content_type: str, headers: Mapping[str, str]
) -> web.Response:
    """Answer with ``body``, in UTF-8 if it is text; with 304 where the browser has it already."""
    response = web.Response(headers=headers)
    response.etag = etag
    cached = combined(request.headers, "If-None-Match")
    if f'"{etag}"' in cached or cached.strip() == "*":
        response.set_status(304)
        return response
    response.body = body
    response.content_type = content_type
    if content_type.startswith("text/"):
        response.charset = "utf-8"
    return response
