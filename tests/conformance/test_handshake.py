"""The Engine.IO handshake and what refuses a request, in both versions."""

from typing import Any

import aiohttp
import pytest

from tests.conformance.client import EVERY, Clients, Kind
from tests.conformance.differences import node_differs
from tests.conformance.polling import Answer, Polling

UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_HANDSHAKE_METHOD, BAD_REQUEST, FORBIDDEN, UNSUPPORTED_VERSION = range(6)
GOOD = {"EIO": "4", "transport": "polling"}
GOOD_3 = {"EIO": "3", "transport": "polling"}

node_takes_it_for_3 = node_differs("whatever EIO is not 4 counts as 3")


async def ask(
    clients: Clients, method: str, query: dict[str, str], headers: dict[str, str] | None = None
) -> Answer:
    async with clients.http.request(method, clients.url, params=query, headers=headers) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


@pytest.mark.parametrize("kind", EVERY, ids=str)
async def test_the_open_packet_has_every_field(clients: Clients, kind: Kind) -> None:
    opening = await clients.transport(kind).open()
    assert opening.upgrades == (["websocket"] if kind.transport == "polling" else [])
    assert (opening.ping_interval_s, opening.ping_timeout_s) == (0.3, 0.2)
    if kind.eio == 4:
        assert opening.max_payload is not None
        assert opening.max_payload > 0


async def test_every_session_has_an_id_of_its_own(clients: Clients) -> None:
    openings = [await clients.transport(kind).open() for kind in EVERY]
    assert len({opening.sid for opening in openings}) == len(EVERY)


REFUSED: dict[str, tuple[str, dict[str, str], int]] = {
    "no transport": ("GET", {"EIO": "4"}, UNKNOWN_TRANSPORT),
    "unknown transport": ("GET", {**GOOD, "transport": "pigeon"}, UNKNOWN_TRANSPORT),
    "transport named like a member": ("GET", {**GOOD, "transport": "__proto__"}, UNKNOWN_TRANSPORT),
    "websocket without an upgrade": ("GET", {**GOOD, "transport": "websocket"}, BAD_REQUEST),
    "unknown sid": ("GET", {**GOOD, "sid": "nobody"}, UNKNOWN_SID),
    "unknown sid, version 3": ("GET", {**GOOD_3, "sid": "nobody"}, UNKNOWN_SID),
    "post to an unknown sid": ("POST", {**GOOD, "sid": "nobody"}, UNKNOWN_SID),
    "handshake by POST": ("POST", GOOD, BAD_HANDSHAKE_METHOD),
    "handshake by POST, version 3": ("POST", GOOD_3, BAD_HANDSHAKE_METHOD),
    "handshake by PUT": ("PUT", GOOD, BAD_HANDSHAKE_METHOD),
    "handshake by DELETE": ("DELETE", GOOD, BAD_HANDSHAKE_METHOD),
}
WRONG_VERSION: dict[str, dict[str, str]] = {
    "no version": {"transport": "polling"},
    "version 2": {**GOOD, "EIO": "2"},
    "version 5": {**GOOD, "EIO": "5"},
    "empty version": {**GOOD, "EIO": ""},
    "version 04": {**GOOD, "EIO": "04"},
    "version in other digits": {**GOOD, "EIO": "٤"},
}


@pytest.mark.parametrize(("method", "query", "code"), REFUSED.values(), ids=REFUSED)
async def test_a_bad_request_is_refused_with_its_code(
    clients: Clients, method: str, query: dict[str, str], code: int
) -> None:
    answer = await ask(clients, method, query)
    assert (answer.status, answer.code) == (400, code)


@node_takes_it_for_3
@pytest.mark.parametrize("query", WRONG_VERSION.values(), ids=WRONG_VERSION)
async def test_a_version_that_is_not_exactly_3_or_4_is_refused(
    clients: Clients, query: dict[str, str]
) -> None:
    """Node with ``allowEIO3`` takes every other version, and none, for 3."""
    answer = await ask(clients, "GET", query)
    assert (answer.status, answer.code) == (400, UNSUPPORTED_VERSION)


@pytest.mark.parametrize(
    "method",
    [pytest.param(method, marks=node_differs("500 without a body")) for method in ("PUT", "DELETE", "PATCH")],
)
async def test_a_session_takes_no_other_method(clients: Clients, method: str) -> None:
    """Node answers 500, though the client is to blame."""
    polling = clients.polling(4)
    await polling.open()
    answer = await polling.request(method)
    assert (answer.status, answer.code) in [(400, BAD_HANDSHAKE_METHOD), (400, BAD_REQUEST)]


async def test_options_makes_no_session_and_lets_a_browser_in(clients: Clients) -> None:
    headers = {"Origin": "http://friend.example", "Access-Control-Request-Method": "POST"}
    answer = await ask(clients, "OPTIONS", GOOD, headers)
    assert answer.status in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "http://friend.example"
    assert not answer.body.startswith(b"0")


async def test_an_allowed_origin_is_told_so(clients: Clients) -> None:
    answer = await ask(clients, "GET", GOOD, {"Origin": "http://friend.example"})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://friend.example"


async def test_another_origin_is_forbidden(clients: Clients) -> None:
    answer = await ask(clients, "GET", GOOD, {"Origin": "http://stranger.example"})
    assert (answer.status, answer.code) == (403, FORBIDDEN)


@pytest.mark.parametrize(("eio", "other"), [(4, "3"), (3, "4")])
async def test_a_session_keeps_its_version(clients: Clients, eio: int, other: str) -> None:
    polling = clients.polling(eio)
    await polling.open()
    answer = await polling.request("GET", EIO=other)
    assert (answer.status, answer.code) == (400, BAD_REQUEST)


@pytest.mark.parametrize("eio", [4, 3])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_http_is_refused_to_a_session_opened_by_websocket(
    clients: Clients, eio: int, method: str
) -> None:
    websocket = clients.websocket(eio)
    opening = await websocket.open()
    polling = Polling(clients.http, clients.url, eio)
    answer = await polling.request(method, sid=opening.sid)
    assert (answer.status, answer.code) == (400, BAD_REQUEST)


BAD_WEBSOCKETS: list[Any] = [
    pytest.param({"transport": "pigeon"}, UNKNOWN_TRANSPORT, id="unknown transport"),
    pytest.param({"transport": ""}, UNKNOWN_TRANSPORT, id="empty transport"),
    pytest.param({"EIO": "5"}, UNSUPPORTED_VERSION, id="version 5", marks=node_takes_it_for_3),
    pytest.param({"EIO": ""}, UNSUPPORTED_VERSION, id="empty version", marks=node_takes_it_for_3),
    pytest.param({"sid": "nobody"}, UNKNOWN_SID, id="unknown sid"),
]


@pytest.mark.parametrize(("query", "code"), BAD_WEBSOCKETS)
async def test_a_bad_websocket_handshake_is_refused_over_http(
    clients: Clients, query: dict[str, str], code: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await clients.websocket(4).connect(**query)
    assert refusal.value.status == 400


@node_differs("its message is plain text")
async def test_a_refused_websocket_is_told_the_code(clients: Clients) -> None:
    """Node writes the bare message."""
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}
    query = {"EIO": "4", "transport": "websocket", "sid": "nobody"}
    answer = await ask(clients, "GET", query, {"Connection": "Upgrade", "Upgrade": "websocket", **key})
    assert (answer.status, answer.code) == (400, UNKNOWN_SID)
