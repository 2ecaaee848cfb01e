"""The routes of the API, from the parts of the server that do its work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from hornet.core import codes
from hornet.flows.backend.cluster_queries import Cluster
from hornet.flows.backend.publishing import Publishing
from hornet.flows.backend.ticketing import Ticketing
from hornet.flows.backend.user_credentials import UserCredentials
from hornet.flows.process.reloading import Reloading
from hornet.flows.users.queries import UserQueries
from hornet.web import etag as known
from hornet.web.api.administration import Administration
from hornet.web.api.cluster import ClusterOperations
from hornet.web.api.counts import ApiCounts
from hornet.web.api.credentials import CredentialOperations
from hornet.web.api.document import openapi
from hornet.web.api.endpoint import API_VERSION, Endpoint
from hornet.web.api.guard import Guard
from hornet.web.api.operation import Operation
from hornet.web.api.problems import Problem
from hornet.web.api.publish import Publish
from hornet.web.api.pushy import PushyTrigger
from hornet.web.api.realizehit import RealizehitPublish
from hornet.web.api.settings import ApiSettings
from hornet.web.api.tokens import TokenOperations
from hornet.web.api.users import UserOperations


@dataclass(frozen=True)
class ApiServices:
    """The flows behind the API."""

    publishing: Publishing
    ticketing: Ticketing
    cluster: Cluster
    directory: UserQueries
    credentials: UserCredentials
    reloading: Reloading[Any]


def operations(parts: ApiServices) -> list[Operation]:
    """Every operation, in the order of the document."""
    return [
        *Publish(parts.publishing).operations(),
        *TokenOperations(parts.ticketing, parts.publishing).operations(),
        *ClusterOperations(parts.cluster).operations(),
        *UserOperations(parts.directory).operations(),
        *CredentialOperations(parts.credentials).operations(),
        *Administration(parts.reloading).operations(),
    ]


class Api:
    """The HTTP API of one node, and the compatible routes beside it."""

    def __init__(self, settings: ApiSettings, parts: ApiServices, counts: ApiCounts) -> None:
        self._operations = operations(parts)
        self._guard = Guard(settings, counts)
        self._endpoint = Endpoint(settings, self._guard, counts)
        self._realizehit = RealizehitPublish(self._endpoint, self._guard, parts.publishing, counts)
        self._pushy = PushyTrigger(settings, parts.publishing, parts.cluster, counts)

    def configure(self, settings: ApiSettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self._guard.configure(settings)
        self._endpoint.settings = self._pushy.settings = settings

    def routes(self) -> list[web.RouteDef]:
        """All under /api, and the compatible ones."""
        return [
            _document_route(self._operations),
            *(self._endpoint.route(one) for one in self._operations),
            _elsewhere(self._operations, self._endpoint),
            self._realizehit.route(),
            self._pushy.route(),
        ]


def describe() -> dict[str, Any]:
    """The document, for those who only want to read it: nothing has to run."""
    nobody: Any = None
    return openapi(operations(ApiServices(nobody, nobody, nobody, nobody, nobody, nobody)), API_VERSION)


def _document_route(operations: Sequence[Operation]) -> web.RouteDef:
    """The document, which anyone may read: it says nothing of this server but its version."""
    content = msgspec.json.encode(openapi(operations, API_VERSION))
    tag = known.tag_of(content)

    async def show(request: web.Request) -> web.Response:
        return known.answer(request, content, tag, "application/json", {"Cache-Control": "no-cache"})

    return web.get("/api/openapi.json", show)


def _elsewhere(known: Sequence[Operation], endpoint: Endpoint) -> web.RouteDef:
    """Whatever else is asked for under /api: a problem, too."""
    patterns = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path)), one.method) for one in known]

    async def refuse(request: web.Request) -> web.Response:
        path = "/api/" + request.match_info["rest"]
        methods = sorted({method for pattern, method in patterns if pattern.fullmatch(path)})

        async def problem() -> web.Response:
            if methods:
                raise Problem(codes.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
            raise Problem(codes.NOT_FOUND, "there is no such operation")

        return await endpoint.answer(problem)

    return web.route("*", "/api/{rest:.*}", refuse)
