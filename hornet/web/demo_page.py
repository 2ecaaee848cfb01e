"""The page at /: its title line always, and the try-it page unless it is turned off."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from hornet.core.errors import RedisUnavailable
from hornet.core.jsontext import parse_json
from hornet.flows.demo import DEMO_CHANNEL, BadText, Demo, TooFast
from hornet.web import etag as known
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body
from hornet.web.state import STATE

STATIC = Path(__file__).parent / "static"
FILES = {
    "demo.css": "text/css",
    "demo.js": "text/javascript",
    "demo.svg": "image/svg+xml",
}
"""What the page loads from ``/demo/``, beside hornet.js."""

MAX_BODY_BYTES = 4096

HEADERS = {
    # Nothing from elsewhere, no inline script or style, and no text ever parsed as markup by a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A browser asks each time, and downloads only what another version of Hornet changed.
    "Cache-Control": "no-cache",
}
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def home_routes(demo: Demo | None) -> list[web.RouteDef]:
    """The routes of / and of what the try-it page needs; its files are read here, once."""
    if demo is None:
        return [web.get("/", _title)]
    page = _Page(demo)
    return [
        web.get("/", page.show),
        web.get("/demo/{name}", page.file),
        web.post("/demo/token", page.token),
        web.post("/demo/publish", page.publish),
    ]


async def _title(request: web.Request) -> web.Response:
    title = f"Hornet v{escape(request.app[STATE].version)}"
    text = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1></html>\n"
    return _answer(request, text.encode(), "text/html")


class _Page:
    """The try-it page: what it shows, and the two requests it makes."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._template = (STATIC / "demo.html").read_text(encoding="utf-8")
        self._files = {name: (STATIC / name).read_bytes() for name in FILES}

    async def show(self, request: web.Request) -> web.Response:
        state = request.app[STATE]
        values = {"version": state.version, **home_commands(state.redis_url)}
        text = PLACEHOLDER.sub(lambda match: escape(values[match[1]]), self._template)
        return _answer(request, text.encode(), "text/html")

    async def file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return _answer(request, self._files[name], FILES[name])

    async def token(self, request: web.Request) -> web.Response:
        with _refusals():
            token = await self._demo.create_token()
        answer = {"token": token, "channels": [DEMO_CHANNEL]}
        return web.json_response(answer, headers={"Cache-Control": "no-store"})

    async def publish(self, request: web.Request) -> web.Response:
        # A page of another origin can't send this type unasked, so no stranger's page publishes here.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="The body is sent as application/json\n")
        text = _parse_text(await _read_body(request))
        with _refusals():
            await self._demo.publish(text)
        return web.json_response({"published": True}, status=202)


def _answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    return known.answer(request, body, known.tag_of(body), content_type, HEADERS)


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
    """Answer what the demo refuses with the status that says whose turn it is."""
    try:
        yield
    except BadText as error:
        raise web.HTTPBadRequest(text=f"Not published: {error.detail}\n") from None
    except TooFast:
        headers = {"Retry-After": "1"}
        raise web.HTTPTooManyRequests(text="Too fast, wait a second\n", headers=headers) from None
    except RedisUnavailable:
        raise web.HTTPServiceUnavailable(text="Redis is unavailable\n") from None


def home_commands(url: str) -> dict[str, str]:
    """How to reach the server's Redis with each tool; nothing to add where it is the default one (``""``)."""
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
    """The URL of one server to publish on: any node of a Cluster will do, with Sentinel it is the primary."""
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
