"""All operations of the API in one table, and the routes made from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from aiohttp import web

from hornet.core import codes
from hornet.core.addresses import Network
from hornet.web.api import administration, cluster, credentials, history, publish, tokens, users
from hornet.web.api.document import openapi
from hornet.web.api.endpoint import API_VERSION, ApiCounts, ApiEndpoint
from hornet.web.api.operation import ApiServices, Operation
from hornet.web.api.problems import Problem
from hornet.web.api.pushy import PushyTrigger
from hornet.web.api.realizehit import RealizehitPublish
from hornet.web.api.settings import ApiSettings
from hornet.web.etag import etag_of, respond

OPERATIONS: Sequence[Operation] = (
    *publish.OPERATIONS,
    *tokens.OPERATIONS,
    *cluster.OPERATIONS,
    *history.OPERATIONS,
    *users.OPERATIONS,
    *credentials.OPERATIONS,
    *administration.OPERATIONS,
)
"""In the order of the document."""


class Api:
    """The HTTP API of one node, and beside it the routes that stand in for other servers."""

    def __init__(
        self, *, settings: ApiSettings, services: ApiServices, trusted_proxies: tuple[Network, ...] = ()
    ) -> None:
        self._endpoint = ApiEndpoint(settings=settings, services=services, trusted_proxies=trusted_proxies)
        self._realizehit = RealizehitPublish(endpoint=self._endpoint, backend=services.backend)
        self._pushy = PushyTrigger(settings=settings, services=services, counts=self._endpoint.counts)

    @property
    def counts(self) -> ApiCounts:
        return self._endpoint.counts

    def configure(self, settings: ApiSettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self._endpoint.configure(settings)
        self._pushy.configure(settings)

    def routes(self) -> list[web.RouteDef]:
        """Return all routes under /api, and the compatible ones."""
        return [
            _document_route(),
            *(self._endpoint.route(operation) for operation in OPERATIONS),
            _unknown_path_route(self._endpoint),
            self._realizehit.route(),
            self._pushy.route(),
        ]


def describe() -> dict[str, Any]:
    """Return the OpenAPI document; for that nothing has to run."""
    return openapi(OPERATIONS, API_VERSION)


def _document_route() -> web.RouteDef:
    """Serve the document, to anyone: of this server it tells only the version of its API."""
    content = msgspec.json.encode(describe()) + b"\n"
    etag = etag_of(content)

    async def show(request: web.Request) -> web.Response:
        return respond(request, content, etag, "application/json", {"Cache-Control": "no-cache"})

    return web.get("/api/openapi.json", show)


def _unknown_path_route(endpoint: ApiEndpoint) -> web.RouteDef:
    """Answer every other request under /api, and to /api itself, with a problem."""
    patterns = [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", operation.path)), operation.method)
        for operation in OPERATIONS
    ]

    async def refuse(request: web.Request) -> web.Response:
        path = "/api" + request.match_info["rest"]
        methods = sorted({method for pattern, method in patterns if pattern.fullmatch(path)})

        async def problem() -> web.Response:
            if methods:
                raise Problem(codes.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
            raise Problem(codes.NOT_FOUND, "there is no such operation; /api/openapi.json lists all")

        return await endpoint.answer(problem)

    return web.route("*", "/api{rest:(?:/.*)?}", refuse)
