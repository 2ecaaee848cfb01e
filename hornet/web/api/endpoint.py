"""How a request to the API is run: check the caller, parse the request, call the handler, answer.

Every error becomes a problem, which is counted.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from hornet.core import codes
from hornet.core.addresses import Network
from hornet.core.channels import is_utf8_text
from hornet.core.errors import PeerError, RedisUnavailable
from hornet.core.headers import combined
from hornet.flows.backend.service import Once
from hornet.web.api.auth import Guard, KeylessAccess, Right, parse_keys
from hornet.web.api.known_fields import explain
from hornet.web.api.operation import ApiServices, Call, Nothing, Operation
from hornet.web.api.problems import RETRY_AFTER_S, Problem
from hornet.web.api.settings import ApiSettings
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body

log = logging.getLogger(__name__)

S = TypeVar("S", bound=msgspec.Struct)

API_VERSION = "1.0"
"""The version of the document. Its first number changes when a valid request may become an invalid one."""
MAJOR = API_VERSION.partition(".")[0]
MEDIA_TYPE = f"application/vnd.hornet.v{MAJOR}+json"

HEADERS = {"Cache-Control": "no-store", "Hornet-API-Version": API_VERSION}

_REQUESTED_VERSION = re.compile(r"application/vnd\.hornet\.v(\d+)\+json", re.IGNORECASE)
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(slots=True)
class ApiCounts:
    """What the API counts; the composition root publishes it as metrics.

    ``requests`` by operation, carried out or not; ``refusals`` by the problem's code; ``keys`` by the name of
    the key that a request was let in with.
    """

    requests: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)


class ApiEndpoint:
    """Runs operations for the callers that the configured keys let in."""

    def __init__(
        self, *, settings: ApiSettings, services: ApiServices, trusted_proxies: tuple[Network, ...] = ()
    ) -> None:
        self.counts = ApiCounts()
        self._settings = settings
        self._services = services
        self._guard = Guard(
            keys=parse_keys(settings.api_keys),
            max_per_s=settings.api_rate,
            keyless=KeylessAccess(settings.keyless_api, trusted_proxies),
        )

    def configure(self, settings: ApiSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings
        self._guard.configure(keys=parse_keys(settings.api_keys), max_per_s=settings.api_rate)

    def route(self, operation: Operation) -> web.RouteDef:
        """Return the route of one operation."""

        async def run(request: web.Request) -> web.Response:
            self.counts.requests[operation.name] += 1
            return await self.answer(lambda: self._run(operation, request))

        # GET has no HEAD beside it, since the document has none.
        options = {"allow_head": False} if operation.method == "GET" else {}
        return web.route(operation.method, operation.path, run, **options)

    async def answer(self, work: Callable[[], Awaitable[web.Response]]) -> web.Response:
        """Await ``work()``; answer with its response, or with the problem that it ended in."""
        try:
            return await work()
        except Problem as problem:
            refusal = problem
        except RedisUnavailable as error:
            log.warning("A request to the API failed: %s", error)
            refusal = Problem(codes.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
        except PeerError as error:
            code = error.code if error.code in codes.PROBLEMS else codes.INVALID_REQUEST
            refusal = Problem(code, error.detail)
        except Exception:
            log.exception("A request to the API failed because of a bug in Hornet; please report it")
            refusal = Problem(codes.FAILED)
        self.counts.refusals[refusal.code] += 1
        return refusal.response()

    def check_caller(self, request: web.Request, right: Right) -> str:
        """Return the name of the caller, who has ``right``, and count the request under it.

        Raises:
            Problem: as :meth:`Guard.check`.
        """
        return self._count_caller(self._guard.check(request, right))

    def check_caller_with_password(self, request: web.Request, right: Right) -> str:
        """Do as :meth:`check_caller`; the caller may show its key as the password of HTTP Basic.

        Raises:
            Problem: as :meth:`Guard.check`.
        """
        return self._count_caller(self._guard.check_with_password(request, right))

    def _count_caller(self, caller: str) -> str:
        self.counts.keys[caller] += 1
        return caller

    async def read(self, request: web.Request) -> bytes:
        """Return the body of a request.

        Raises:
            Problem: ``TOO_LARGE``, ``BODY_TIMEOUT`` or ``NOT_JSON``.
        """
        max_bytes = self._settings.api_max_body_bytes
        try:
            return await read_body(request, max_bytes)
        except BodyTooLarge:
            raise Problem(codes.TOO_LARGE, f"the limit is {max_bytes} bytes") from None
        except TimeoutError:
            raise Problem(codes.BODY_TIMEOUT) from None
        except BrokenBody:
            raise Problem(codes.NOT_JSON, "the body is not encoded as its headers say") from None

    async def _run(self, operation: Operation, request: web.Request) -> web.Response:
        caller = self.check_caller(request, operation.right)
        check_version(request)
        params = parse_params(operation.params, request)
        body: msgspec.Struct = Nothing()
        content = b""
        if operation.takes_body:
            check_media_type(request)
            content = await self.read(request)
            body = parse_body(operation.body, content)
        once = self._once(operation, caller, request, content) if operation.is_idempotent_by_key else None
        answer = await operation.handler(self._services, Call(params, body, once))
        return web.Response(
            body=msgspec.json.encode(answer) + b"\n",
            status=operation.status,
            content_type="application/json",
            headers=HEADERS,
        )

    def _once(self, operation: Operation, caller: str, request: web.Request, content: bytes) -> Once | None:
        keys = request.headers.getall("Idempotency-Key", [])
        if not keys:
            return None
        if len(keys) > 1 or not _IDEMPOTENCY_KEY.fullmatch(keys[0]):
            raise Problem(codes.INVALID_IDEMPOTENCY_KEY)
        # Callers don't share idempotency keys: two callers with the same one make two requests.
        content = operation.name.encode() + b"\0" + content
        return Once(f"{caller} {keys[0]}", content, self._settings.idempotency_window_s)


def check_version(request: web.Request) -> None:
    """Refuse a request for another version. One that names none gets version 1, also from later servers.

    Raises:
        Problem: ``UNSUPPORTED_VERSION``.
    """
    versions = _REQUESTED_VERSION.findall(combined(request.headers, "Accept"))
    if versions and MAJOR not in versions:
        raise Problem(codes.UNSUPPORTED_VERSION, f"this server speaks {MEDIA_TYPE}")


def check_media_type(request: web.Request) -> None:
    """Refuse a body that is not declared as JSON, the type that no page of another origin can send unasked.

    Raises:
        Problem: ``NOT_JSON_TYPE`` or ``UNSUPPORTED_VERSION``.
    """
    if request.content_type in ("application/json", MEDIA_TYPE):
        return
    if _REQUESTED_VERSION.fullmatch(request.content_type):
        raise Problem(codes.UNSUPPORTED_VERSION, f"this server speaks {MEDIA_TYPE}")
    raise Problem(
        codes.NOT_JSON_TYPE,
        "send the header 'Content-Type: application/json'; curl -d alone declares a form",
    )


def parse_params(kind: type[S], request: web.Request) -> S:
    """Parse the fields of the path and of the query as ``kind``.

    Raises:
        Problem: ``INVALID_REQUEST`` when a field is missing, unknown, given twice, or not of its type.
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
        raise Problem(codes.INVALID_REQUEST, f"parameters: {explain(error, kind)}") from None


def parse_body(kind: type[S], content: bytes) -> S:
    """Parse a body as ``kind``.

    Raises:
        Problem: ``NOT_JSON`` or ``INVALID_REQUEST``; the detail says where in the body.
    """
    body: S = _decode(content, kind)
    return body


def parse_any(content: bytes) -> Any:
    """Parse a body as any JSON.

    Raises:
        Problem: ``NOT_JSON``.
    """
    return _decode(content, Any)


def _decode(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(codes.INVALID_REQUEST, explain(error, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, msgspec.DecodeError) else "the body is not UTF-8"
        raise Problem(codes.NOT_JSON, reason) from None
    except RecursionError:
        raise Problem(codes.NOT_JSON, "nested too deeply") from None
