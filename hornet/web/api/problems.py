"""What the API answers when it can't do as asked: problem details (RFC 9457) with a stable ``code``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hornet.core.errors import HornetError
from hornet.core.jsontext import dump_ascii_json

CONTENT_TYPE = "application/problem+json"

PROBLEMS: dict[str, tuple[int, str]] = {
    "NOT_JSON": (400, "The body is not JSON"),
    "INVALID_REQUEST": (400, "The request is not what the operation takes"),
    "INVALID_IDEMPOTENCY_KEY": (400, "The Idempotency-Key is not 1 to 255 visible ASCII characters"),
    "RESERVED_CHANNEL": (400, "The channel is Hornet's own"),
    "BAD_PATTERN": (400, "The pattern is not a set of keys and values to publish to"),
    "KEY_MISSING": (401, "The request has no bearer key"),
    "KEY_UNKNOWN": (401, "The bearer key is not one of this server's"),
    "RIGHT_MISSING": (403, "The key does not have the right that the operation needs"),
    "NOT_LOCAL": (403, "No key is configured, so the API answers only programs on the server's machine"),
    "CROSS_SITE": (403, "The request comes from a web page of another origin"),
    "NOT_FOUND": (404, "There is no such thing"),
    "METHOD_NOT_ALLOWED": (405, "The path has no operation of that method"),
    "UNSUPPORTED_VERSION": (406, "This server does not speak that version of the API"),
    "BODY_TIMEOUT": (408, "The body did not arrive in time"),
    "TOO_LARGE": (413, "The request is larger than the server takes"),
    "NOT_JSON_TYPE": (415, "The body is not declared as application/json"),
    "IDEMPOTENCY_KEY_REUSED": (422, "The Idempotency-Key was used for another request"),
    "BAD_CONFIGURATION": (422, "The configuration can't be read or is wrong; nothing has changed"),
    "TOO_MANY_REQUESTS": (429, "The key makes more requests than it may"),
    "FAILED": (500, "The server failed; the fault is its own"),
    "UNAVAILABLE": (503, "Redis is unavailable; it is not known whether all was done"),
}
"""Code -> HTTP status and title. The codes are part of the contract, the sentences are for people."""

RETRY_AFTER_S = 1


class Problem(HornetError):
    """A request that is not carried out; ``code`` is one of ``PROBLEMS``, ``detail`` is for people."""

    def __init__(self, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        status, title = PROBLEMS[self.code]
        body = {"type": type_of(self.code), "title": title, "status": status, "code": self.code}
        return {**body, "detail": self.detail} if self.detail else body

    def response(self) -> web.Response:
        return web.Response(
            text=dump_ascii_json(self.body()),
            status=PROBLEMS[self.code][0],
            content_type=CONTENT_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


def type_of(code: str) -> str:
    """The problem's type: a name, with nothing to fetch behind it."""
    return f"urn:hornet:problem:{code.lower().replace('_', '-')}"
