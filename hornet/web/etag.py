"""Bodies that a browser may know already: it asks each time, and downloads what has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aiohttp import web


def tag_of(body: bytes) -> str:
    """What tells a body from any other."""
    return hashlib.sha256(body).hexdigest()[:16]


def answer(
    request: web.Request, body: bytes, tag: str, content_type: str, headers: Mapping[str, str]
) -> web.Response:
    """``body`` with its ``tag``, in UTF-8 where it is text; 304 where the browser has it already."""
    response = web.Response(headers=headers)
    response.etag = tag
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        response.set_status(304)
        return response
    response.body = body
    response.content_type = content_type
    if content_type.startswith("text/"):
        response.charset = "utf-8"
    return response
