"""The publish of the server realizehit: a POST to / with a pattern and a payload, answered in its words."""

from __future__ import annotations

from aiohttp import web

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.flows.backend.service import BackendService
from hornet.web.api.auth import Right
from hornet.web.api.endpoint import ApiEndpoint, check_media_type, parse_any

NAME = "realizehitPublish"

QUEUED = "Your payload has been queued for delivery"
NO_PATTERN = "Please include .pattern in your request body"
NO_PAYLOAD = "Please include .payload in your request body"
NO_OBJECT = "Please include your arguments on body"


class RealizehitPublish:
    """Checks callers as every operation does; refuses in realizehit's words what realizehit refused.

    Its API client can't send a header as documented, but the user and the password of its URL: they are a
    key's name and secret. No page of another origin gains by a password that a browser keeps: a body of the
    type ``application/json`` needs the consent of the server.
    """

    def __init__(self, *, endpoint: ApiEndpoint, backend: BackendService) -> None:
        self._endpoint = endpoint
        self._backend = backend

    def route(self) -> web.RouteDef:
        return web.post("/", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        self._endpoint.counts.requests[NAME] += 1
        return await self._endpoint.answer(lambda: self._publish(request))

    async def _publish(self, request: web.Request) -> web.Response:
        self._endpoint.check_caller_with_password(request, Right.PUBLISH)
        check_media_type(request)
        body = parse_any(await self._endpoint.read(request))
        if not isinstance(body, dict):
            return self._refuse(NO_OBJECT)
        if not isinstance(body.get("pattern"), dict) or not body["pattern"]:
            return self._refuse(NO_PATTERN)
        if "payload" not in body:
            return self._refuse(NO_PAYLOAD)
        try:
            await self._backend.publish_to_pattern(body["pattern"], body["payload"])
        except PeerError as error:
            return self._refuse(error.detail)
        return web.Response(text=QUEUED)

    def _refuse(self, words: str) -> web.Response:
        self._endpoint.counts.refusals[codes.REALIZEHIT_400] += 1
        return web.Response(text=words, status=400)
