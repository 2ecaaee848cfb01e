"""A backend's own API over real HTTP, which behaves as the access token says."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.test_utils import TestServer


class UserApi:
    """Answers ``GET /api/users/me``. ``user-7`` is the token of user 7; other tokens name a behaviour."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.was_followed = False
        self.slow_one_came = asyncio.Event()
        self.release = asyncio.Event()
        app = web.Application()
        app.add_routes([web.get("/api/users/me", self._answer), web.get("/elsewhere", self._elsewhere)])
        self._server = TestServer(app)
        self.uri = ""

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        self.uri = str(self._server.make_url("/api"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        await self._server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        assert scheme == "Bearer"
        self.asked.append(token)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        behaviour, _, number = token.partition("-")
        match behaviour:
            case "user":
                user = {"id": int(number), "name": "Ana", "email": "ana@example.com"}
                return web.json_response(user, headers={"Set-Cookie": f"session={number}"})
            case "slow":
                self.slow_one_came.set()
                await self.release.wait()
                return web.json_response({"id": int(number)})
            case "status":
                return web.json_response({"id": 1}, status=int(number))
            case "redirect":
                raise web.HTTPFound("/elsewhere")
            case "dies":
                return await self._die(request)
            case "endless":
                return await self._go_on(request)
            case "gzip":
                return web.Response(body=b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})
            case "nobody":
                return web.json_response({"name": "Ana"})
        return web.Response(text=f"<html>{behaviour}</html>")

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.was_followed = True
        return web.json_response({"id": 1})

    async def _die(self, request: web.Request) -> web.StreamResponse:
        """Half an answer, and then the connection is gone."""
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id": 1')
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _go_on(self, request: web.Request) -> web.StreamResponse:
        """An answer that does not end until its reader has enough."""
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65_536)
        except ConnectionError:
            return response
