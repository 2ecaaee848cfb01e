"""The trigger of the server pushy: a signed POST that sends an event to a channel."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.errors import PeerError, RedisUnavailable
from hornet.core.jsontext import dump_json
from hornet.core.triggers import MISSING, RefusedTrigger, check_trigger
from hornet.flows.backend.service import OutboundMessage
from hornet.web.api.endpoint import ApiCounts, parse_any
from hornet.web.api.operation import ApiServices
from hornet.web.api.problems import Problem
from hornet.web.api.settings import ApiSettings
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body

NAME = "pushyTrigger"
PATH = "/pushy/channel/{channel}/trigger"

STATUS = {MISSING: 400, "403": 403, "501": 403, "413": 413, "503": 503}


class PushyTrigger:
    """Answers as pushy did: ``{"status": ...}`` or ``{"error": ...}``, each with ``code`` and ``message``.

    While no secret is configured, the path does not exist.
    """

    def __init__(self, *, settings: ApiSettings, services: ApiServices, counts: ApiCounts) -> None:
        self._settings = settings
        self._services = services
        self._counts = counts

    def configure(self, settings: ApiSettings) -> None:
        """Follow ``settings`` from now on."""
        self._settings = settings

    def route(self) -> web.RouteDef:
        return web.post(PATH, self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._settings.pushy_secret:  # anyone could sign with an empty secret
            raise web.HTTPNotFound
        self._counts.requests[NAME] += 1
        try:
            has_members = await self._trigger(request)
        except RedisUnavailable:
            return self._refuse(RefusedTrigger("503", "The server can't publish now"))
        except PeerError as error:
            return self._refuse(error)
        if has_members:
            answer, status = {"code": "201", "message": "Triggered"}, 201
        else:
            answer, status = {"code": "200", "message": "Triggered; the channel has no members"}, 200
        return web.json_response({"status": answer}, status=status)

    def _refuse(self, error: PeerError) -> web.Response:
        code = error.code if error.code in STATUS else MISSING
        self._counts.refusals[f"PUSHY_{code}"] += 1
        return web.json_response({"error": {"code": code, "message": error.detail}}, status=STATUS[code])

    async def _trigger(self, request: web.Request) -> bool:
        """Publish the event of a signed request; return whether the channel has members.

        Raises:
            PeerError: the request is not signed, or malformed.
            RedisUnavailable: nobody knows whether the event was published.
        """
        channel = request.match_info["channel"]
        event, timestamp, auth_key = (
            _parameter(request, name) for name in ("event", "timestamp", "auth_key")
        )
        text = await self._read(request)
        data = _parse(text)
        check_trigger(
            self._settings.pushy_secret,
            channel,
            event,
            timestamp,
            (text, dump_json(data)),
            auth_key,
            time.time(),
        )
        if not is_channel_name(channel) or channel == CONTROL_CHANNEL:
            raise RefusedTrigger(MISSING, "There can't be a channel of that name")
        message = data if isinstance(data, dict) else {"data": data}
        sender = request.query.get("socket_id")
        outbound = OutboundMessage(channels=(channel,), type=event, message=message, exclude=sender)
        published = await self._services.backend.publish([outbound])
        if any(published.nodes):
            return True
        # A Redis Cluster counts only some of the nodes that heard the publish: ask the nodes themselves.
        return any((await self._services.cluster.channel(channel)).answers.values())

    async def _read(self, request: web.Request) -> str:
        try:
            return (await read_body(request, self._settings.api_max_body_bytes)).decode()
        except BodyTooLarge:
            raise RefusedTrigger("413", "The body is too large") from None
        except (BrokenBody, TimeoutError, UnicodeDecodeError):
            raise RefusedTrigger(MISSING, "The body can't be read") from None


def _parameter(request: web.Request, name: str) -> str:
    value = request.query.get(name, "")
    if not value:
        raise RefusedTrigger(MISSING, f"Parameter {name} is missing")
    return value


def _parse(text: str) -> Any:
    """Return the data of a body. An empty body is an empty object, as in the framework under pushy."""
    try:
        return parse_any(text.encode()) if text else {}
    except Problem as problem:
        raise RefusedTrigger(MISSING, f"The body is not JSON: {problem.detail}") from None
