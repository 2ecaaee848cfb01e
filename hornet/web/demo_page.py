"""The page at /: the try-it page, or only a title line where the try-it page is turned off."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import parse_json
from hornet.flows.backend.demo import DEMO_CHANNEL, BadText, Demo, TooFast
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body
from hornet.web.etag import etag_of, respond
from hornet.web.hosts import HostGuard
from hornet.web.local_requests import is_cross_site

STATIC = Path(__file__).parent / "static"
FILES = {
    "demo.css": "text/css",
    "demo.js": "text/javascript",
    "demo.svg": "image/svg+xml",
}
"""The files that the page loads from ``/demo/``, beside hornet.js."""

MAX_BODY_BYTES = 4096

HEADERS = {
    # Nothing from other origins, no inline script or style, and no script may parse text as markup.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A browser asks each time, and downloads only files that another version of Hornet changed.
    "Cache-Control": "no-cache",
}
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def title_routes(version: str, hosts: HostGuard) -> list[web.RouteDef]:
    """Return the route of / where the try-it page is turned off."""
    title = f"Hornet v{escape(version)}"
    body = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1></html>\n".encode()

    async def show(request: web.Request) -> web.Response:
        return _answer(request, body, "text/html")

    return [web.get("/", hosts.guard(show))]


class DemoPage:
    """The try-it page: its HTML and files, which are read here, once, and the two requests that it makes.

    ``redis_url``, with its password hidden, is "" for the Redis that every tool finds by itself. Only
    visitors on this machine see it. ``path`` is the path of Socket.IO. ``address_of`` returns the
    address of a visitor.
    """

    def __init__(
        self,
        *,
        demo: Demo,
        version: str,
        redis_url: str,
        path: str,
        hosts: HostGuard,
        address_of: Callable[[web.Request], str],
    ) -> None:
        self._demo = demo
        self._hosts = hosts
        self._address_of = address_of
        template = (STATIC / "demo.html").read_text(encoding="utf-8")
        values = {"version": version, "path": path}
        self._html = _fill(template, {**values, **redis_commands("")})
        self._local_html = _fill(template, {**values, **redis_commands(redis_url)})
        self._files = {name: (STATIC / name).read_bytes() for name in FILES}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._hosts.guard(self.show)),
            web.get("/demo/{name}", self.file),
            web.post("/demo/token", self._hosts.guard(self.token)),
            web.post("/demo/publish", self._hosts.guard(self.publish)),
        ]

    async def show(self, request: web.Request) -> web.Response:
        is_local = self._hosts.is_local_visitor(request)
        return _answer(request, self._local_html if is_local else self._html, "text/html")

    async def file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return _answer(request, self._files[name], FILES[name])

    async def token(self, request: web.Request) -> web.Response:
        if is_cross_site(request.headers):
            raise web.HTTPForbidden(text="The request comes from a page of another origin\n")
        with _refusals():
            token = await self._demo.create_token(self._address_of(request))
        answer = {"token": token, "channels": [DEMO_CHANNEL]}
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    async def publish(self, request: web.Request) -> web.Response:
        # A page of another origin can't send this type unasked, so only this page can publish here.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="The body is sent as application/json\n")
        text = _parse_text(await _read_body(request))
        with _refusals():
            await self._demo.publish(text)
        return web.json_response({"published": True}, status=202)


def _fill(template: str, values: Mapping[str, str]) -> bytes:
    return PLACEHOLDER.sub(lambda match: escape(values[match[1]]), template).encode()


def _answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    return respond(request, body, etag_of(body), content_type, HEADERS)


async def _read_body(request: web.Request) -> bytes:
    try:
        return await read_body(request, MAX_BODY_BYTES)
    except BodyTooLarge:
        size = request.content_length or MAX_BODY_BYTES + 1
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, size) from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except BrokenBody:
        raise web.HTTPBadRequest(text="The body is not encoded as its headers say\n") from None


def _parse_text(body: bytes) -> str:
    try:
        value = parse_json(body)
    except ValueError:
        value = None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise web.HTTPBadRequest(text="The body is a JSON object with a string 'text'\n")
    return text


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer a refusal of the demo with the HTTP status that fits."""
    try:
        yield
    except BadText as error:
        raise web.HTTPBadRequest(text=f"Not published: {error.detail}\n") from None
    except TooFast:
        headers = {"Retry-After": "1"}
        raise web.HTTPTooManyRequests(text="Too fast, wait a second\n", headers=headers) from None
    except RedisUnavailable:
        raise web.HTTPServiceUnavailable(text="Redis is unavailable\n") from None


def redis_commands(url: str) -> dict[str, str]:
    """Return how each tool reaches the server's Redis; no options for the default Redis (``""``)."""
    if not url:
        return {"hornet": "", "redis_cli": "", "python": "", "login": "none"}
    url = _single_server(url)
    parts = urlsplit(url)
    return {
        "hornet": f" --redis {shlex.quote(url)}",
        "redis_cli": f" {_redis_cli_option(url, parts)}",
        "python": '"' + url.replace("\\", "\\\\").replace('"', '\\"') + '"',
        "login": "needed" if "***" in parts.netloc else "none",
    }


def _single_server(url: str) -> str:
    """Return the URL of one server to publish on: the first node of a Cluster, or the primary of Sentinel."""
    scheme, _, rest = url.partition("://")
    login, at, hosts = rest.partition("/")[0].rpartition("@")
    if scheme == "redis+cluster":
        return f"redis://{login}{at}{hosts.partition(',')[0]}/0"
    if scheme == "redis+sentinel":
        return f"redis://{login}{at}primary.example:6379/0"
    return url


def _redis_cli_option(url: str, parts: SplitResult) -> str:
    if parts.scheme == "unix":
        return f"-s {shlex.quote(parts.path)}"
    if parts.scheme == "redis" and parts.netloc.rpartition(":")[0] in ("127.0.0.1", "localhost"):
        return f"-p {parts.port}"
    return f"-u {shlex.quote(url)}"
