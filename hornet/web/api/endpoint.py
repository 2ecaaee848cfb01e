"""The road of every request to the API: who asks, is it valid, do it, answer. Errors are problems."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from hornet.core import codes
from hornet.core.channels import is_utf8_text
from hornet.core.errors import PeerError, RedisUnavailable
from hornet.flows.backend.publishing import Once
from hornet.web.api.counts import ApiCounts
from hornet.web.api.guard import Guard
from hornet.web.api.operation import Call, Nothing, Operation
from hornet.web.api.problems import RETRY_AFTER_S, Problem
from hornet.web.api.settings import ApiSettings
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body

log = logging.getLogger(__name__)

S = TypeVar("S", bound=msgspec.Struct)

API_VERSION = "1.0"
"""Of what the document says. The first number changes when a valid request may stop to be one."""
MAJOR = API_VERSION.partition(".")[0]
MEDIA_TYPE = f"application/vnd.hornet.v{MAJOR}+json"

HEADERS = {"Cache-Control": "no-store", "Hornet-API-Version": API_VERSION}

_ASKED_VERSION = re.compile(r"application/vnd\.hornet\.v(\d+)\+json", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


class Endpoint:
    """Runs operations for those whom ``guard`` lets in."""

    def __init__(self, settings: ApiSettings, guard: Guard, counts: ApiCounts) -> None:
        self.settings = settings
        """May be replaced at any time."""
        self._guard = guard
        self._counts = counts

    def route(self, operation: Operation) -> web.RouteDef:
        """The route of one operation."""

        async def run(request: web.Request) -> web.Response:
            self._counts.requests[operation.name] += 1
            return await self.answer(lambda: self._run(operation, request))

        # No HEAD beside GET: the document does not have it.
        options = {"allow_head": False} if operation.method == "GET" else {}
        return web.route(operation.method, operation.path, run, **options)

    async def answer(self, work: Callable[[], Awaitable[web.Response]]) -> web.Response:
        """What ``work`` answers, or the problem that it ended in, counted."""
        try:
            return await work()
        except Problem as problem:
            refused = problem
        except RedisUnavailable as error:
            log.warning("A request to the API failed: %s", error)
            refused = Problem(codes.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
        except PeerError as error:
            code = error.code if error.code in codes.PROBLEMS else codes.INVALID_REQUEST
            refused = Problem(code, error.detail)
        except Exception:
            log.exception("A request to the API failed; the fault is Hornet's")
            refused = Problem(codes.FAILED)
        self._counts.refusals[refused.code] += 1
        return refused.response()

    async def _run(self, operation: Operation, request: web.Request) -> web.Response:
        caller = self._guard.check(request, operation.right)
        check_version(request)
        params = parse_params(operation.params, request)
        body: msgspec.Struct = Nothing()
        content = b""
        if operation.takes_body:
            check_media_type(request)
            content = await self.read(request)
            body = parse_body(operation.body, content)
        once = self._once(operation, caller, request, content) if operation.is_idempotent_by_key else None
        answer = await operation.handler(Call(params, body, once))
        return web.Response(
            body=msgspec.json.encode(answer),
            status=operation.status,
            content_type="application/json",
            headers=HEADERS,
        )

    async def read(self, request: web.Request) -> bytes:
        """The body.

        Raises:
            Problem: ``TOO_LARGE``, ``BODY_TIMEOUT`` or ``NOT_JSON``.
        """
        max_bytes = self.settings.api_max_body_bytes
        try:
            return await read_body(request, max_bytes)
        except BodyTooLarge:
            raise Problem(codes.TOO_LARGE, f"the limit is {max_bytes} bytes") from None
        except TimeoutError:
            raise Problem(codes.BODY_TIMEOUT) from None
        except BrokenBody:
            raise Problem(codes.NOT_JSON, "the body is not encoded as its headers say") from None

    def _once(self, operation: Operation, caller: str, request: web.Request, content: bytes) -> Once | None:
        shown = request.headers.getall("Idempotency-Key", [])
        if not shown:
            return None
        if len(shown) > 1 or not _IDEMPOTENCY_KEY.fullmatch(shown[0]):
            raise Problem(codes.INVALID_IDEMPOTENCY_KEY)
        # Each backend has its own: another's key of the same name is another request.
        content = operation.name.encode() + b"\0" + content
        return Once(f"{caller} {shown[0]}", content, self.settings.idempotency_window_s)


def check_version(request: web.Request) -> None:
    """Pass for who asks for this version, or for none: then it is the first one, for good.

    Raises:
        Problem: ``UNSUPPORTED_VERSION``.
    """
    asked = _ASKED_VERSION.findall(request.headers.get("Accept", ""))
    if asked and MAJOR not in asked:
        raise Problem(codes.UNSUPPORTED_VERSION, f"this server speaks {MEDIA_TYPE}")


def check_media_type(request: web.Request) -> None:
    """Pass for JSON: a page of another origin can't send that type unasked.

    Raises:
        Problem: ``NOT_JSON_TYPE`` or ``UNSUPPORTED_VERSION``.
    """
    if request.content_type in ("application/json", MEDIA_TYPE):
        return
    if _ASKED_VERSION.fullmatch(request.content_type):
        raise Problem(codes.UNSUPPORTED_VERSION, f"this server speaks {MEDIA_TYPE}")
    raise Problem(codes.NOT_JSON_TYPE)


def parse_params(kind: type[S], request: web.Request) -> S:
    """The fields of the path and of the query.

    Raises:
        Problem: ``INVALID_REQUEST`` when one is missing, unknown, given twice, or not of its kind.
    """
    fields: dict[str, str] = dict(request.match_info)
    for name, value in request.query.items():
        if name in fields:
            raise Problem(codes.INVALID_REQUEST, f"parameter {name!r} is given twice")
        fields[name] = value
    for name, value in fields.items():
        if not is_utf8_text(name) or not is_utf8_text(value):
            raise Problem(codes.INVALID_REQUEST, "a parameter holds half a character")
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(codes.INVALID_REQUEST, f"parameters: {error}") from None


def parse_body(kind: type[S], content: bytes) -> S:
    """The body as what it is to be.

    Raises:
        Problem: ``NOT_JSON`` or ``INVALID_REQUEST``; the detail says where in the body.
    """
    found: S = _decode(content, kind)
    return found


def parse_any(content: bytes) -> Any:
    """The body as any JSON.

    Raises:
        Problem: ``NOT_JSON``.
    """
    return _decode(content, Any)


def _decode(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(codes.INVALID_REQUEST, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "the body is not UTF-8"
        raise Problem(codes.NOT_JSON, reason) from None
    except RecursionError:
        raise Problem(codes.NOT_JSON, "nested too deeply") from None
