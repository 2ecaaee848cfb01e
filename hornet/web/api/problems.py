"""Refusals of the API: problem details with a stable ``code``.

Source: RFC 9457 (https://www.rfc-editor.org/rfc/rfc9457#section-3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hornet.core.codes import PROBLEMS
from hornet.core.errors import HornetError
from hornet.core.jsontext import dump_ascii_json

CONTENT_TYPE = "application/problem+json"

RETRY_AFTER_S = 1


class Problem(HornetError):
    """A request that is not carried out; ``code`` is one of ``PROBLEMS``, ``detail`` is for people."""

    def __init__(self, code: str, detail: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        problem = PROBLEMS[self.code]
        body = {
            "type": type_of(self.code),
            "title": problem.sentence,
            "status": problem.status,
            "code": self.code,
        }
        return {**body, "detail": self.detail} if self.detail else body

    def response(self) -> web.Response:
        return web.Response(
            text=dump_ascii_json(self.body()) + "\n",
            status=PROBLEMS[self.code].status,
            content_type=CONTENT_TYPE,
            headers={"Cache-Control": "no-store", **self.headers},
        )


def type_of(code: str) -> str:
    """Return the URI that names the type of a problem (RFC 9457, section 3.1.1); it leads to no page."""
    return f"urn:hornet:problem:{code.lower().replace('_', '-')}"
