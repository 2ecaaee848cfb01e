"""Every parser of what comes from outside, how it is fed with bytes, and which errors it may end in.

Whatever else comes out is a bug. ``test_targets.py`` feeds them by hypothesis, and fails when a parser is
missing here; ``guided.py`` feeds them by atheris, which looks for bytes that reach new code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from hornet.broker.emitter_packets import parse_emit
from hornet.broker.node_messages import parse_mark
from hornet.broker.presence import parse_notice
from hornet.broker.url import parse_url
from hornet.connector.api import ApiError, ApiUnavailable, parse_address, parse_answer
from hornet.connector.events import parse_event
from hornet.core import origins
from hornet.core.access_tokens import parse_access_token, parse_profile
from hornet.core.addresses import HOPS, client_address, parse_ip, parse_networks
from hornet.core.backend_commands import parse_control, parse_event_name, parse_user_command
from hornet.core.client_publishes import parse_client_publish
from hornet.core.commands import parse_call
from hornet.core.credentials import parse_credentials, parse_delivery, query_fields, read_fields
from hornet.core.encodings import preferred_coding
from hornet.core.errors import PeerError, SetupError
from hornet.core.grants import parse_grant, parse_user_id
from hornet.core.history import parse_offset, parse_position
from hornet.core.history_depths import Depth, parse_depth_rule
from hornet.core.jsontext import parse_json
from hornet.core.messages import Delivery, parse_pattern_publish, parse_publish
from hornet.core.past import parse_bound, parse_page_request, parse_recorded, parse_rewind
from hornet.core.patterns import parse_pattern, parse_pattern_text, parse_publication, parse_topic
from hornet.core.presence import load_member, parse_member
from hornet.core.session_records import parse_record
from hornet.core.signatures import is_signed
from hornet.core.trigger_bodies import FORM, MULTIPART, parse_trigger_body
from hornet.core.triggers import check_trigger
from hornet.core.user_sessions import parse_user_session
from hornet.engine.errors import Malformed, Refusal
from hornet.engine.settings import EngineSettings
from hornet.engine.socketio.client_packets import parse_message
from hornet.engine.socketio.connect_packets import parse_recovery
from hornet.engine.socketio.process_requests import parse_manager_request
from hornet.engine.transport import endpoint
from hornet.engine.transport.handshake import is_whole, parse_request
from hornet.engine.transport.polling import parse_body as parse_post
from hornet.engine.transport.request_limit import is_disguised
from hornet.engine.transport.websocket_handshake import check_websocket_request, choose_subprotocol
from hornet.engine.wire import compression
from hornet.engine.wire.frames import FrameParser
from hornet.engine.wire.msgpack_packets import parse_msgpack, parse_msgpack_text
from hornet.engine.wire.packets import parse_packet
from hornet.engine.wire.payloads import (
    parse_binary3,
    parse_binary_packet3,
    parse_binary_text4,
    parse_jsonp,
    parse_payload4,
    parse_text3,
    parse_text_packet3,
)
from hornet.flows.recovery.resuming import read_offset
from hornet.web.api.auth import parse_keys
from hornet.web.api.cluster import ChannelListing
from hornet.web.api.endpoint import parse_any, parse_body, parse_params
from hornet.web.api.problems import Problem
from hornet.web.api.publish import Batch, MessageRequest, Notification, PatternMessage
from hornet.web.api.tokens import NewToken
from hornet.web.api.users import DisconnectedUsers
from tests.fuzz.shapes import Draw

MAX_BYTES = 1000
PROXIES = parse_networks(["0.0.0.0/0", "::/0"])
BODIES = (MessageRequest, Batch, PatternMessage, Notification, NewToken, DisconnectedUsers)

EXEMPT = {
    "load_config": "of the operator; tests/fuzz/test_addresses.py",
    "take_reloadable": "compares two configurations that are valid",
    "load_authenticators": "names of installed plug-ins, of the operator",
    "take_inherited": "what systemd says in the environment",
    "read_body": "needs a connection: tests/resilience/test_request_tricks.py",
}
"""Functions that are named like parsers, and why they are none of these."""


@dataclass(frozen=True)
class Target:
    """``run`` feeds ``parsers``; ``refusals`` are the errors that they document."""

    run: Callable[[Draw], object]
    refusals: tuple[type[Exception], ...]
    parsers: tuple[Callable[..., object], ...]

    @property
    def name(self) -> str:
        first = self.parsers[0]
        return f"{first.__module__.removeprefix('hornet.')}.{first.__qualname__}"

    def feed(self, data: bytes) -> None:
        """Raises:
        Exception: one that is not documented.
        """
        try:
            self.run(Draw(data))
        except self.refusals:
            return


def of_bytes(parse: Callable[[bytes], object], *refusals: type[Exception]) -> Target:
    return Target(lambda draw: parse(draw.rest()), refusals, (parse,))


def of_json(parse: Callable[[bytes], object], *refusals: type[Exception]) -> Target:
    return Target(lambda draw: parse(draw.json()), refusals, (parse,))


def of_shown(parse: Callable[[object], object], *refusals: type[Exception]) -> Target:
    return Target(lambda draw: parse(draw.shown()), refusals, (parse,))


def of_text(parse: Callable[[str], object], *refusals: type[Exception]) -> Target:
    return Target(lambda draw: parse(_text(draw)), refusals, (parse,))


def _text(draw: Draw) -> str:
    return draw.rest().decode("utf-8", "surrogateescape")


def _whole(draw: Draw) -> str:
    """Text as it comes over a WebSocket: without half characters."""
    return draw.rest().decode("utf-8", "replace")


def _strings(draw: Draw) -> list[str]:
    return [draw.text() for _ in range(draw.byte() % 4)]


def _headers(draw: Draw) -> dict[str, str]:
    names = (
        "upgrade",
        "connection",
        "sec-websocket-version",
        "sec-websocket-key",
        "content-length",
        "host",
        "origin",
    )
    return {draw.pick(names): draw.text() for _ in range(draw.byte() % 8)}


def _post(draw: Draw) -> object:
    protocol, kind, jsonp = 3 + draw.byte() % 2, draw.byte() % 2, bool(draw.byte() % 2)
    return parse_post(protocol, draw.rest(), ("text/plain", "application/octet-stream")[kind], jsonp=jsonp)


def _frames(draw: Draw) -> None:
    size = draw.byte() + 1
    parser = FrameParser(MAX_BYTES, compression.inflate if draw.byte() % 2 else None)
    data = draw.rest()
    for at in range(0, len(data), size):
        for _, payload in parser.feed(data[at : at + size]):
            assert len(payload) <= MAX_BYTES


def _attachments(draw: Draw) -> None:
    packet = parse_packet("45" + str(draw.byte() % 5) + "-" + draw.json().decode("utf-8", "replace"))
    while packet.waits_for and not packet.attach(draw.blob()):
        pass


def _recovery(draw: Draw) -> None:
    auth, query = draw.value(), {"recover": [draw.text()]}
    foreign: Counter[str] = Counter()
    request = parse_recovery(auth, query, by_default=bool(draw.byte() % 2), foreign=foreign)
    if request is not None and request.pid:
        assert len(request.pid) == 40
        assert len(request.offset) < 100
    assert foreign.total() <= 1


def _request(draw: Draw) -> None:
    data = draw.rest()
    is_whole(data)
    found = parse_request(data)
    if found is not None:
        _, query, headers, rest = found
        assert data.endswith(rest)
        check_websocket_request(headers)
        endpoint._parse_version(endpoint._parse_query(query))


def _hops(draw: Draw) -> None:
    header = tuple(HOPS)[draw.byte() % 2]
    client_address("127.0.0.1", HOPS[header](_text(draw)), PROXIES)


def _profile(draw: Draw) -> object:
    return parse_profile(draw.json(), draw.word(), _strings(draw))


def _body(draw: Draw) -> object:
    return parse_body(BODIES[draw.byte() % len(BODIES)], draw.json())


def _answer(draw: Draw) -> object:
    return parse_answer(100 + draw.byte() * 2, draw.json())


def _params(draw: Draw) -> object:
    query: MultiDict[str] = MultiDict((draw.word(), draw.text()) for _ in range(draw.byte() % 4))
    request: Any = SimpleNamespace(match_info={}, query=query)
    return parse_params(ChannelListing, request)


def _trigger(draw: Draw) -> None:
    check_trigger("secret", draw.text(), draw.text(), draw.text(), (draw.text(),), draw.text(), 1e9)


def _trigger_body(draw: Draw) -> None:
    content_type = draw.pick(("application/json", FORM, f"{MULTIPART}; boundary=b", f"{MULTIPART}; boundary"))
    for body in parse_trigger_body(draw.rest(), content_type):
        assert isinstance(body.text, str)


def _signature(draw: Draw) -> None:
    presence = draw.text() if draw.byte() % 2 else None
    assert not is_signed(draw.text(), ("secret",), draw.text(), draw.text(), presence)


def _origin(draw: Draw) -> None:
    origins.is_allowed(draw.text(), draw.text(), ("same-host", "https://www.example.com"))
    assert not origins.is_allowed("https://evil.example", draw.text().replace("evil", ""), ("same-host",))


def _query(draw: Draw) -> None:
    fields: Mapping[str, list[str]] = parse_qs(_whole(draw), keep_blank_values=True, max_num_fields=100)
    parse_credentials(query_fields(fields))


def _multi_headers(draw: Draw) -> object:
    pairs: Iterable[tuple[str, str]] = [(draw.word(), draw.text()) for _ in range(draw.byte() % 5)]
    return endpoint._parse_headers(CIMultiDictProxy(CIMultiDict(pairs)))


TARGETS = (
    # Clients, before they are anybody
    Target(_request, (Refusal,), (parse_request, is_whole, check_websocket_request)),
    Target(_multi_headers, (), (endpoint._parse_headers,)),
    Target(_hops, (), (client_address, *HOPS.values())),
    Target(lambda draw: parse_ip(_text(draw)), (ValueError,), (parse_ip,)),
    Target(_origin, (), (origins.is_allowed,)),
    Target(lambda draw: origins.parse_origin(_text(draw)), (ValueError,), (origins.parse_origin,)),
    Target(lambda draw: preferred_coding(_text(draw), ("gzip", "deflate")), (), (preferred_coding,)),
    Target(lambda draw: is_disguised(_text(draw)), (), (is_disguised,)),
    Target(_query, (PeerError, ValueError), (query_fields,)),
    # Packets
    Target(_post, (Malformed,), (parse_post,)),
    of_bytes(parse_payload4, Malformed),
    of_bytes(parse_text3, Malformed),
    of_bytes(parse_binary3, Malformed),
    of_bytes(parse_binary_packet3, Malformed),
    of_bytes(parse_jsonp, Malformed),
    Target(lambda draw: parse_text_packet3(_whole(draw)), (Malformed,), (parse_text_packet3,)),
    Target(lambda draw: parse_binary_text4(_whole(draw)), (Malformed,), (parse_binary_text4,)),
    Target(_frames, (Malformed,), (FrameParser.feed,)),
    Target(lambda draw: compression.inflate(draw.rest(), MAX_BYTES), (Malformed,), (compression.inflate,)),
    of_text(compression.negotiate),
    of_text(choose_subprotocol, Refusal),
    Target(lambda draw: parse_packet(_whole(draw)), (Malformed,), (parse_packet,)),
    Target(_attachments, (Malformed,), (parse_packet,)),
    Target(
        lambda draw: parse_msgpack(
            protocol=3 + draw.byte() % 2, max_containers=draw.byte(), data=draw.rest()
        ),
        (Malformed,),
        (parse_msgpack,),
    ),
    of_text(parse_msgpack_text, Malformed),
    Target(
        lambda draw: parse_message(
            settings=EngineSettings(max_containers=draw.byte(), max_json_depth=draw.byte()),
            protocol=3 + draw.byte() % 2,
            is_msgpack=bool(draw.byte() % 2),
            is_newcomer=bool(draw.byte() % 2),
            message=draw.rest() if draw.byte() % 2 else _whole(draw),
        ),
        (Malformed,),
        (parse_message,),
    ),
    # What clients show and ask for
    of_shown(parse_credentials, PeerError),
    of_shown(read_fields),
    Target(lambda draw: parse_delivery(draw.value(), Delivery.MESSAGE), (PeerError,), (parse_delivery,)),
    of_shown(parse_access_token, PeerError),
    Target(lambda draw: parse_user_session(read_fields(draw.shown())), (PeerError,), (parse_user_session,)),
    of_shown(parse_user_id, ValueError),
    of_shown(parse_position, ValueError),
    of_json(parse_record, ValueError),
    of_shown(parse_offset, ValueError),
    of_text(read_offset),
    of_text(parse_pattern_text, PeerError),
    Target(
        lambda draw: parse_depth_rule(draw.text(), Depth(100, 120.0, 1_048_576)),
        (ValueError,),
        (parse_depth_rule,),
    ),
    Target(_recovery, (), (parse_recovery,)),
    of_shown(parse_client_publish, PeerError),
    of_shown(parse_page_request, PeerError),
    Target(lambda draw: parse_rewind(read_fields(draw.shown())), (PeerError,), (parse_rewind,)),
    Target(lambda draw: parse_bound("since", draw.shown()), (PeerError,), (parse_bound,)),
    Target(lambda draw: parse_recorded(draw.text(), draw.json()), (), (parse_recorded,)),
    of_shown(parse_call, PeerError),
    Target(lambda draw: parse_pattern(draw.value(), draw.value()), (PeerError,), (parse_pattern,)),
    Target(
        lambda draw: parse_member(draw.json() if draw.byte() % 2 else draw.text(), draw.text() or None),
        (PeerError,),
        (parse_member,),
    ),
    Target(_signature, (), (is_signed,)),
    # Backends, over Redis and over HTTP, and other nodes
    Target(lambda draw: parse_publish(draw.text(), draw.json()), (PeerError,), (parse_publish,)),
    Target(
        lambda draw: parse_pattern_publish(draw.text(), draw.json()), (PeerError,), (parse_pattern_publish,)
    ),
    of_json(parse_control, PeerError),
    of_json(parse_user_command, PeerError),
    of_shown(parse_event_name, ValueError),
    of_json(parse_grant, ValueError),
    of_json(parse_emit, PeerError),
    of_json(parse_notice, ValueError),
    of_json(parse_mark, ValueError),
    of_json(parse_manager_request, ValueError),
    of_json(load_member, ValueError),
    of_json(parse_json, ValueError),
    of_shown(parse_publication, PeerError),
    of_text(parse_topic),
    Target(_profile, (ValueError,), (parse_profile,)),
    Target(_body, (Problem,), (parse_body,)),
    of_json(parse_any, Problem),
    Target(_params, (Problem,), (parse_params,)),
    Target(_trigger, (PeerError,), (check_trigger,)),
    Target(_trigger_body, (PeerError,), (parse_trigger_body,)),
    # Connectors
    Target(lambda draw: parse_event(draw.blob(), draw.json()), (), (parse_event,)),
    Target(_answer, (ApiError, ApiUnavailable), (parse_answer,)),
    Target(
        lambda draw: parse_address(draw.text(), key=draw.text() or None, token_length=9),
        (ValueError,),
        (parse_address,),
    ),
    # The operator
    of_text(parse_url, SetupError),
    Target(lambda draw: parse_networks(_strings(draw)), (ValueError,), (parse_networks,)),
    Target(lambda draw: parse_keys(_strings(draw)), (ValueError,), (parse_keys,)),
)
