"""realizehit's publish: a POST to / with a pattern and a payload, answered in words."""

from __future__ import annotations

from aiohttp import web

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.flows.backend.publishing import Publishing
from hornet.web.api.counts import ApiCounts
from hornet.web.api.endpoint import Endpoint, check_media_type, parse_any
from hornet.web.api.guard import Guard
from hornet.web.api.keys import Right

NAME = "realizehitPublish"

QUEUED = "Your payload has been queued for delivery"
NO_PATTERN = "Please include .pattern in your request body"
NO_PAYLOAD = "Please include .payload in your request body"
NO_OBJECT = "Please include your arguments on body"


class RealizehitPublish:
    """Let in as any operation of the API; what its own server refused is refused in its words."""

    def __init__(self, endpoint: Endpoint, guard: Guard, publishing: Publishing, counts: ApiCounts) -> None:
        self._endpoint = endpoint
        self._guard = guard
        self._publishing = publishing
        self._counts = counts

    def route(self) -> web.RouteDef:
        return web.post("/", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        self._counts.requests[NAME] += 1
        return await self._endpoint.answer(lambda: self._publish(request))

    async def _publish(self, request: web.Request) -> web.Response:
        self._guard.check(request, Right.PUBLISH)
        check_media_type(request)
        body = parse_any(await self._endpoint.read(request))
        if not isinstance(body, dict):
            return self._refuse(NO_OBJECT)
        if not isinstance(body.get("pattern"), dict) or not body["pattern"]:
            return self._refuse(NO_PATTERN)
        if "payload" not in body:
            return self._refuse(NO_PAYLOAD)
        try:
            await self._publishing.publish_to_pattern(body["pattern"], body["payload"])
        except PeerError as error:
            return self._refuse(error.detail)
        return web.Response(text=QUEUED)

    def _refuse(self, words: str) -> web.Response:
        self._counts.refusals[codes.REALIZEHIT_400] += 1
        return web.Response(text=words, status=400)
