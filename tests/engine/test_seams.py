"""The members of the libraries that we override or rely on: what fails here was changed there."""

import inspect

import pytest
import socketio
from aiohttp import http_parser, web_protocol, web_server

OVERRIDDEN: dict[type, dict[str, list[str]]] = {
    socketio.AsyncServer: {
        "_engineio_server_class": [],
        "_send_packet": ["eio_sid", "pkt"],
        "_handle_connect": ["eio_sid", "namespace", "data"],
        "_handle_disconnect": ["eio_sid", "namespace", "reason"],
        "_handle_event_internal": ["server", "sid", "eio_sid", "data", "namespace", "id"],
        "disconnect": ["sid", "namespace", "ignore_queue"],
    },
    socketio.AsyncManager: {
        "pre_connect": ["eio_sid", "namespace"],
        "connect": ["sid", "namespace"],
        "is_pre_connected": ["sid", "namespace"],
        "is_connected": ["sid", "namespace"],
        "can_disconnect": ["sid", "namespace"],
        "pre_disconnect": ["sid", "namespace"],
        "basic_disconnect": ["sid", "namespace", "kwargs"],
        "basic_enter_room": ["sid", "namespace", "room", "eio_sid"],
        "basic_leave_room": ["sid", "namespace", "room"],
        "basic_close_room": ["room", "namespace"],
        "get_namespaces": [],
        "get_participants": ["namespace", "room"],
        "get_rooms": ["sid", "namespace"],
        "is_sid_room": ["namespace", "room"],
        "sid_from_eio_sid": ["eio_sid", "namespace"],
        "eio_sid_from_sid": ["sid", "namespace"],
        "_generate_ack_id": ["sid", "callback"],
        "emit": ["event", "data", "namespace", "room", "skip_sid", "callback", "to", "kwargs"],
    },
    socketio.AsyncRedisManager: {"_publish": ["data"], "_listen": []},
    web_server.Server: {
        "connection_made": ["handler", "transport"],
        "connection_lost": ["handler", "exc"],
    },
    web_protocol.RequestHandler: {
        "set_parser": ["parser", "data_received_cb"],
        "connection_lost": ["exc"],
        "data_received": ["data"],
        "eof_received": [],
        "finish_response": ["request", "resp", "start_time"],
        "handle_error": ["request", "status", "exc", "message"],
    },
}


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [(owner, name, parameters) for owner, names in OVERRIDDEN.items() for name, parameters in names.items()],
)
def test_an_overridden_library_member_is_unchanged(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == ["self", *parameters]


def test_the_state_of_a_connection_of_aiohttp_is_where_it_was() -> None:
    """``hornet.process.http_connection`` reads it."""
    names = {"_waiter", "_messages", "_current_request", "_request_count"}
    assert names <= set(web_protocol.RequestHandler.__slots__)
    assert hasattr(http_parser.RawRequestMessage, "chunked")


def test_the_redis_manager_reaches_ours_through_super() -> None:
    from hornet.engine.socketio.manager import RedisManager, RoomManager

    order = RedisManager.__mro__
    assert order.index(RoomManager) < order.index(socketio.AsyncManager)
    assert order.index(RoomManager) > order.index(socketio.AsyncRedisManager)
