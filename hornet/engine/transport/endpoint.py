"""The HTTP endpoint of Engine.IO: the parameters of each request, their checks, and the form of a refusal.

Sources: the Engine.IO protocol (https://github.com/socketio/engine.io-protocol, "HTTP long-polling" and
"Upgrade"), and the order in which the Node server checks (engine.io, ``lib/server.ts``, ``verify``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qs

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from hornet.core.headers import combined, join_lines
from hornet.core.limits import OverLimit
from hornet.core.origins import is_allowed
from hornet.engine.errors import (
    Refusal,
    bad_handshake_method,
    bad_request,
    foreign_page,
    over_limit,
    stopping,
    unknown_session,
    unknown_transport,
    unsupported_version,
)
from hornet.engine.transport.client_address import ClientAddressResolver
from hornet.engine.transport.header_names import lower_name
from hornet.engine.transport.polling import PollingTransport, Query
from hornet.engine.transport.refusal_log import ADVICE, ThrottledLog
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.session_table import SessionTable
from hornet.engine.transport.states import State
from hornet.engine.transport.websocket import WebSocketTransport
from hornet.engine.transport.websocket_handshake import Acceptance, Takeover
from hornet.engine.types import Handshake
from hornet.engine.wire.prepared import DEFLATED, MSGPACK, TEXT_ONLY, VERSION_3, dump_frame

log = logging.getLogger(__name__)

MAX_QUERY_FIELDS = 100

QUOTED_CHARS = 200
"""A log line quotes no more of a header that a client sent."""

COMMON_QUERY_CHARS = 40
"""Longest query that is kept parsed. A query that opens a WebSocket is no longer, and is the same for most
clients; a query with a session's id is longer."""


class Endpoint:
    """Answers the requests to the Socket.IO path."""

    def __init__(self, table: SessionTable) -> None:
        self._table = table
        self._log = ThrottledLog()
        self._client_addresses = ClientAddressResolver(table.settings)
        self.paths: set[bytes] = set()
        """The paths of the endpoint; empty until it is attached."""

    def attach(self, app: web.Application, path: str) -> None:
        """Answer requests to a path of an application, with and without a slash at its end."""
        path = "/" + path.strip("/")
        for spelling in (path, path + "/"):
            app.router.add_route("*", spelling, self.handle)
            self.paths.add(spelling.encode())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request. A refusal is Engine.IO's JSON object with ``code`` and ``message``."""
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            self._table.counts.refusals[refusal.number] += 1
            body = {"code": refusal.number, "message": refusal.detail}
            if refusal.reason:
                body["reason"] = refusal.reason
                self._table.counts.refused[refusal.reason] += 1
                self._warn(refusal, request)
            response = web.json_response(body, status=refusal.status)
        if hdrs.ORIGIN in request.headers:
            self._add_cors(request, response)
        return response

    def _may_connect(self, headers: Mapping[str, str]) -> bool:
        allowed = self._table.settings.allowed_origins
        return is_allowed(headers.get("origin"), headers.get("host"), allowed)

    def _warn(self, refusal: Refusal, request: web.Request) -> None:
        """Log the operator's remedy for a refusal, but not for each request of a flood."""
        if self._log.is_due(refusal.reason):
            origin = request.headers.get("Origin", "none")[:QUOTED_CHARS]
            host = request.headers.get("Host", "none")[:QUOTED_CHARS]
            address, _ = self._client_addresses.resolve(request.transport, request.headers)
            log.warning(
                "Refused a connection from %s: %s (Origin %r, Host %r). %s",
                address, refusal.reason, origin, host, ADVICE[refusal.reason],
            )  # fmt: skip

    def _add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the page read the response.

        The header names the origin, since a request with credentials takes no ``*`` (Fetch standard,
        "CORS protocol and credentials").
        """
        origins = request.headers.getall(hdrs.ORIGIN)
        if len(origins) != 1 or not self._may_connect(request.headers):
            return
        response.headers["Access-Control-Allow-Origin"] = origins[0]
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Vary"] = "Origin"
        if request.method == "OPTIONS":
            names = combined(request.headers, "Access-Control-Request-Headers") or "Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = names
            response.headers["Access-Control-Max-Age"] = "600"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Check a request in the order of the Node server, and answer it.

        Raises:
            Refusal: the request breaks a rule of the protocol, or may not be answered.
        """
        headers = request.headers
        if hdrs.ORIGIN in headers and (
            not self._may_connect(headers) or len(headers.getall(hdrs.ORIGIN)) > 1
        ):
            raise foreign_page()
        if request.method == "OPTIONS":
            return web.Response(status=204)
        query = _parse_query(request.rel_url.raw_query_string)
        transport = query.get("transport", [""])[0]
        if transport not in self._table.settings.transports:
            raise unknown_transport()
        if "j" in query:
            index = query["j"][0]
            if not (index.isascii() and index.isdigit()):
                raise bad_request("a wrong JSONP index")
        sid = query.get("sid", ("",))[0]
        if sid:
            session = self._table.find(sid)
            if session is None:
                raise unknown_session()
            if "EIO" in query and query["EIO"] != [str(session.handshake.protocol)]:
                raise bad_request("a session keeps its protocol version")
            return await self._continue(session, request, query, transport)
        return self._open(request, query, transport)

    async def _continue(
        self, session: EngineSession, request: web.Request, query: Query, transport: str
    ) -> web.StreamResponse:
        """Answer a request that belongs to a session."""
        if transport == "websocket":
            return self._upgrade(session, request)
        polling = _polling_of(session)
        if request.method == "GET":
            if request.body_exists:  # it would wait with the poll
                raise bad_request("a GET with a body")
            return await polling.answer_poll(session, request, query)
        if request.method == "POST":
            return await polling.take_post(session, request, query)
        raise bad_request("a wrong method")

    def _open(self, request: web.Request, query: Query, transport: str) -> web.StreamResponse:
        """Open a session, by polling or on a WebSocket."""
        if request.method != "GET":
            raise bad_handshake_method()
        if not self._table.is_accepting:
            raise stopping()
        protocol, wire_format = _parse_version(query)
        headers = _parse_headers(request.headers)
        if transport == "polling":
            handshake = self._handshake(request.transport, headers, query, protocol)
            self._check_limits(handshake)
            session = self._table.open(handshake, wire_format, transport)
            if session.is_open:
                session.start_polling()
            return _polling_of(session).respond(session, request, query)
        acceptance = Acceptance(headers, compress=self._table.settings.compression)
        takeover = Takeover(request)
        handshake = self._handshake(takeover.transport, headers, query, protocol)
        self._check_limits(handshake)
        return takeover.hand_over(self._carry(takeover.transport, acceptance, handshake, wire_format))

    def open_websocket(
        self, transport: asyncio.Transport, text: str, headers: dict[str, str]
    ) -> WebSocketTransport | None:
        """Open a session on a WebSocket, for ``handshake``; None for a request that ``handle`` has to answer.

        None means that nothing has been written or changed. ``handle`` answers every request but the first
        one of a session, and every refusal.
        """
        settings = self._table.settings
        if not self._may_connect(headers) or "websocket" not in settings.transports:
            return None
        if not self._table.is_accepting:
            return None
        try:
            query = _parse_query(text)
            if query.get("transport") != ["websocket"] or "sid" in query or "j" in query:
                return None
            protocol, wire_format = _parse_version(query)
            acceptance = Acceptance(headers, compress=settings.compression)
            handshake = self._handshake(transport, headers, query, protocol)
            self._check_limits(handshake)
        except Refusal:
            return None
        return self._carry(transport, acceptance, handshake, wire_format)

    def _check_limits(self, handshake: Handshake) -> None:
        """Count a session that is about to open.

        Raises:
            Refusal: the address has as many sessions as it may have, or opens them too fast.
        """
        settings, now = self._table.settings, asyncio.get_running_loop().time()
        try:
            self._table.addresses.check_next(
                handshake.address, settings.max_sessions_per_address, settings.max_connect_rate, now
            )
        except OverLimit as limit:
            raise over_limit(limit) from None

    def _carry(
        self, transport: asyncio.Transport, acceptance: Acceptance, handshake: Handshake, wire_format: int
    ) -> WebSocketTransport:
        """Open a session on a WebSocket; the acceptance and the open packet go out in one write.

        A client of version 3 gets two. That version's programs listen for messages only once the WebSocket is
        open, and in Node an open packet from the same segment reaches them before that.
        """
        deflated, acceptance_sent = acceptance.deflated, handshake.protocol == 3
        if acceptance_sent:
            transport.write(acceptance.response)
        session = self._table.open(handshake, wire_format | (DEFLATED if deflated else 0), "websocket")
        websocket = WebSocketTransport(self._table, session, transport, deflated=deflated)
        frames = [dump_frame(packet, session.wire_format) for packet in session.transport.take()]
        transport.write(b"".join(frames if acceptance_sent else [acceptance.response, *frames]))
        websocket.carry()
        return websocket

    def _upgrade(self, session: EngineSession, request: web.Request) -> web.StreamResponse:
        """Accept a WebSocket that wants to take over a session; close it if it comes too late."""
        acceptance = Acceptance(_parse_headers(request.headers), compress=self._table.settings.compression)
        takeover = Takeover(request)
        websocket = WebSocketTransport(self._table, session, takeover.transport, deflated=acceptance.deflated)
        takeover.transport.write(acceptance.response)
        if session.state is State.POLLING:
            websocket.probe()
        else:
            websocket.close(1000)
        return takeover.hand_over(websocket)

    def _handshake(
        self,
        transport: asyncio.BaseTransport | None,
        headers: dict[str, str],
        query: Query,
        protocol: int,
    ) -> Handshake:
        address, peer = self._client_addresses.resolve(transport, headers)
        secure = transport is not None and transport.get_extra_info("sslcontext") is not None
        return Handshake(None, query, headers, address, protocol, peer, secure)


def _polling_of(session: EngineSession) -> PollingTransport:
    """Return the polling transport of a session.

    Raises:
        Refusal: the session has moved to WebSocket.
    """
    if not isinstance(session.transport, PollingTransport):
        raise bad_request("the session has moved to WebSocket")
    return session.transport


def _parse_query(text: str) -> Query:
    """Return the fields of a query string. Callers must not change them: common queries share theirs.

    Raises:
        Refusal: there are more than ``MAX_QUERY_FIELDS`` fields.
    """
    return _parse_common_query(text) if len(text) <= COMMON_QUERY_CHARS else _parse_any_query(text)


def _parse_any_query(text: str) -> Query:
    if "%" not in text and "+" not in text and text.count("&") < MAX_QUERY_FIELDS:
        return _parse_plain_query(text)
    try:
        return parse_qs(text, True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise bad_request("too many query fields") from None


def _parse_plain_query(text: str) -> Query:
    """Parse a query string without quoted characters, such as that of a poll, faster than ``parse_qs``."""
    query: dict[str, list[str]] = {}
    for field in text.split("&"):
        name, _, value = field.partition("=")
        if name in query and field:
            query[name].append(value)
        elif field:
            query[name] = [value]
    return query


_parse_common_query = lru_cache(maxsize=64)(_parse_any_query)


def _parse_version(query: Query) -> tuple[int, int]:
    """Return the Engine.IO version of a first request, and the wire format of the session that it opens.

    Raises:
        Refusal: Hornet does not speak that version.
    """
    protocol = {"4": 4, "3": 3}.get(query.get("EIO", [""])[0])
    if protocol is None:
        raise unsupported_version()
    wire_format = VERSION_3 if protocol == 3 else 0
    if any(query.get("b64", ())):  # not empty, as in the Node server
        wire_format |= TEXT_ONLY
    if query.get("parser") == ["msgpack"]:
        wire_format |= MSGPACK
    return protocol, wire_format


def _parse_headers(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Return the headers by lower-case name."""
    return join_lines((lower_name(name), value) for name, value in headers.items())
