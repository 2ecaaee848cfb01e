"""The trigger of the server pushy: a signed POST that sends an event to a channel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.errors import PeerError, RedisUnavailable
from hornet.core.jsontext import dump_json
from hornet.core.trigger_bodies import TriggerBody, parse_trigger_body
from hornet.core.triggers import MISSING, RefusedTrigger, check_trigger
from hornet.flows.backend.service import OutboundMessage
from hornet.web.api.endpoint import ApiCounts
from hornet.web.api.operation import ApiServices
from hornet.web.api.settings import ApiSettings
from hornet.web.bodies import BodyTooLarge, BrokenBody, read_body

NAME = "pushyTrigger"
PATH = "/pushy/channel/{channel}/trigger"

STATUS = {MISSING: 400, "403": 403, "501": 403, "413": 413, "503": 503}

LONG_BODY_BYTES = 16_384
"""A longer body is read in a thread, one at a time. Nobody knows yet whether it is signed, and to try all
that it may mean takes up to 0.2 s for each megabyte."""

MESSAGES_OWN = ("type", "channel", "only", "except")
"""Fields with a meaning in a message, which those of a trigger's data would lose or take over."""


class PushyTrigger:
    """Answers as pushy did: ``{"status": ...}`` or ``{"error": ...}``, each with ``code`` and ``message``.

    While no secret is configured, the path does not exist.
    """

    def __init__(self, *, settings: ApiSettings, services: ApiServices, counts: ApiCounts) -> None:
        self._settings = settings
        self._services = services
        self._counts = counts
        self._long_bodies = asyncio.Lock()

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
        status = 201 if has_members else 200
        return _answer({"status": {"code": status, "message": "Ok"}}, status)

    def _refuse(self, error: PeerError) -> web.Response:
        code = "413" if error.code == codes.TOO_LARGE else error.code
        code = code if code in STATUS else MISSING
        self._counts.refusals[f"PUSHY_{code}"] += 1
        return _answer({"error": {"code": code, "message": error.detail}}, STATUS[code])

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
        content, content_type = await self._read(request), request.headers.get("Content-Type", "")
        secret = self._settings.pushy_secret

        def find_signed() -> TriggerBody:
            bodies = parse_trigger_body(content, content_type)
            texts = [body.text for body in bodies]
            signed = check_trigger(secret, channel, event, timestamp, texts, auth_key, time.time())
            return bodies[signed]

        if len(content) > LONG_BODY_BYTES:
            async with self._long_bodies:
                body = await asyncio.to_thread(find_signed)
        else:
            body = find_signed()
        # pushy's channels are the same in upper and lower case, and Hornet's are not: a page may use either.
        channels = tuple(dict.fromkeys((channel, channel.lower())))
        if not all(map(is_channel_name, channels)) or CONTROL_CHANNEL in channels:
            raise RefusedTrigger(MISSING, "There can't be a channel of that name")
        outbound = OutboundMessage(
            channels=channels,
            type=event,
            message=_fields(body.data),
            exclude=request.query.get("socket_id"),
        )
        published = await self._services.backend.publish([outbound])
        if any(published.nodes):
            return True
        # A Redis Cluster counts only some of the nodes that heard the publish: ask the nodes themselves.
        for name in channels:
            if any((await self._services.cluster.channel(name)).answers.values()):
                return True
        return False

    async def _read(self, request: web.Request) -> bytes:
        try:
            return await read_body(request, self._settings.api_max_body_bytes)
        except BodyTooLarge:
            raise RefusedTrigger("413", "The body is too large") from None
        except (BrokenBody, TimeoutError):
            raise RefusedTrigger(MISSING, "The body can't be read") from None


def _answer(body: dict[str, Any], status: int) -> web.Response:
    return web.Response(text=dump_json(body) + "\n", status=status, content_type="application/json")


def _fields(data: Any) -> Mapping[str, Any]:
    """Return the fields of the message. Data that are no object, or have fields that a message uses itself,
    are its field ``data``."""
    if isinstance(data, dict) and not any(name in data for name in MESSAGES_OWN):
        return data
    return {"data": data}


def _parameter(request: web.Request, name: str) -> str:
    value = request.query.get(name, "")
    if not value:
        raise RefusedTrigger(MISSING, f"Parameter {name} is missing")
    return value
