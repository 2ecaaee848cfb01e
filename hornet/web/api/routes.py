"""The routes of the API, from the parts of the server that do its work."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from hornet.flows.cluster import Cluster
from hornet.flows.directory import Directory
from hornet.flows.publishing import Publishing
from hornet.flows.ticketing import Ticketing
from hornet.flows.user_credentials import UserCredentials
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
class Backstage:
    """The flows behind the API."""

    publishing: Publishing
    ticketing: Ticketing
    cluster: Cluster
    directory: Directory
    credentials: UserCredentials


def operations(parts: Backstage) -> list[Operation]:
    """Every operation, in the order of the document."""
    return [
        *Publish(parts.publishing).operations(),
        *TokenOperations(parts.ticketing, parts.publishing).operations(),
        *ClusterOperations(parts.cluster).operations(),
        *UserOperations(parts.directory).operations(),
        *CredentialOperations(parts.credentials).operations(),
    ]


def api_routes(settings: ApiSettings, parts: Backstage, counts: ApiCounts) -> list[web.RouteDef]:
    """All routes under /api, and the compatible ones beside it; none when the API is turned off."""
    if not settings.api:
        return []
    known = operations(parts)
    guard = Guard(settings, counts)
    endpoint = Endpoint(settings, guard, counts)
    return [
        _document_route(known),
        *(endpoint.route(one) for one in known),
        _elsewhere(known, endpoint),
        RealizehitPublish(endpoint, guard, parts.publishing, counts).route(),
        *_pushy_routes(settings, parts, counts),
    ]


def _pushy_routes(settings: ApiSettings, parts: Backstage, counts: ApiCounts) -> list[web.RouteDef]:
    """None without a secret: anyone could sign with an empty one."""
    if not settings.pushy_secret:
        return []
    trigger = PushyTrigger(
        settings.pushy_secret, settings.api_max_body_bytes, parts.publishing, parts.cluster, counts
    )
    return [trigger.route()]


def describe() -> dict[str, Any]:
    """The document, for those who only want to read it: nothing has to run."""
    nobody: Any = None
    return openapi(operations(Backstage(nobody, nobody, nobody, nobody, nobody)), API_VERSION)


def _document_route(known: Sequence[Operation]) -> web.RouteDef:
    """The document, which anyone may read: it says nothing of this server but its version."""
    content = msgspec.json.encode(openapi(known, API_VERSION))
    tag = hashlib.sha256(content).hexdigest()[:16]

    async def show(request: web.Request) -> web.Response:
        response = web.Response(headers={"Cache-Control": "no-cache"})
        response.etag = tag
        if any(one.value in (tag, "*") for one in request.if_none_match or ()):
            response.set_status(304)
            return response
        response.body = content
        response.content_type = "application/json"
        return response

    return web.get("/api/openapi.json", show)


def _elsewhere(known: Sequence[Operation], endpoint: Endpoint) -> web.RouteDef:
    """Whatever else is asked for under /api: a problem, too."""
    patterns = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path)), one.method) for one in known]

    async def refuse(request: web.Request) -> web.Response:
        path = "/api/" + request.match_info["rest"]
        methods = sorted({method for pattern, method in patterns if pattern.fullmatch(path)})

        async def problem() -> web.Response:
            if methods:
                raise Problem("METHOD_NOT_ALLOWED", headers={"Allow": ", ".join(methods)})
            raise Problem("NOT_FOUND", "there is no such operation")

        return await endpoint.answer(problem)

    return web.route("*", "/api/{rest:.*}", refuse)
