"""The page at /: its title line always, and the try-it page unless it is turned off."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from aiohttp import web

from hornet.core.errors import RedisUnavailable
from hornet.flows.demo import DEMO_CHANNEL, Demo
from hornet.web.state import STATE

PAGE = Path(__file__).parent / "static" / "demo.html"
MAX_BODY_BYTES = 4096


def home_routes(demo: Demo | None) -> list[web.RouteDef]:
    if demo is None:
        return [web.get("/", _title)]
    return [web.get("/", _page), web.post("/demo/token", _token), web.post("/demo/publish", _publish)]


async def _title(request: web.Request) -> web.Response:
    title = f"Hornet v{escape(request.app[STATE].version)}"
    return web.Response(
        text=f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1></html>\n",
        content_type="text/html",
    )


async def _page(request: web.Request) -> web.Response:
    state = request.app[STATE]
    page = PAGE.read_text(encoding="utf-8")
    page = page.replace("{{version}}", escape(state.version)).replace("{{redis}}", escape(state.redis_hint))
    return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})


async def _token(request: web.Request) -> web.Response:
    demo = _demo(request)
    try:
        token = await demo.token()
    except RedisUnavailable:
        raise web.HTTPServiceUnavailable(text="Redis is unavailable\n") from None
    return web.json_response({"token": token, "channels": [DEMO_CHANNEL]})


async def _publish(request: web.Request) -> web.Response:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    try:
        body = await request.json()
        text = body["text"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise web.HTTPBadRequest(text="The body is a JSON object with a string 'text'\n")
    try:
        published = await _demo(request).publish(text)
    except RedisUnavailable:
        raise web.HTTPServiceUnavailable(text="Redis is unavailable\n") from None
    if not published:
        raise web.HTTPTooManyRequests(text="Too many messages, wait a second\n", headers={"Retry-After": "1"})
    return web.json_response({"published": True}, status=202)


def _demo(request: web.Request) -> Demo:
    demo = request.app[STATE].demo
    assert demo is not None
    return demo
