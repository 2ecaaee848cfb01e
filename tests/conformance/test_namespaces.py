"""Joining and leaving namespaces, in Socket.IO 5 and 4."""

import contextlib
import time

import aiohttp
import pytest

from tests.conformance.client import (
    EVERY,
    MSGPACK,
    POLLING_4,
    WEBSOCKET_3,
    WEBSOCKET_4,
    Client,
    Clients,
    Kind,
)
from tests.conformance.differences import msgpack_only, where_node_differs
from tests.conformance.parsers import SioPacket, Type

VERSION_5 = [POLLING_4, WEBSOCKET_4]
VERSION_4 = [kind for kind in EVERY if kind.eio == 3]
ANY_PARSER = [*VERSION_5, *msgpack_only(MSGPACK)]
EVERY_KIND = [*EVERY, *msgpack_only(MSGPACK)]
NOWHERE = [
    *where_node_differs(EVERY, "answers an object", lambda kind: kind.eio == 3),
    *msgpack_only(MSGPACK),
]
TIMEOUT_S = 0.3
"""Time to join a namespace; it must be above zero and may not be rounded up to a second."""


def error_of(client: Client, message: str, data: object = None) -> object:
    """The body of a refusal: Socket.IO 4 has the bare text."""
    if client.transport.eio == 3:
        return message
    return {"message": message} | ({"data": data} if data is not None else {})


@pytest.mark.parametrize("kind", ANY_PARSER, ids=str)
async def test_each_namespace_has_an_id_of_its_own(clients: Clients, kind: Kind) -> None:
    client = await clients.opened(kind)
    ids = [await client.join(), await client.join("/custom"), client.transport.opening.sid]
    assert len(set(ids)) == 3, "the Engine.IO id is a secret of the session and its client"
    assert [(await client.ask("whoami", namespace=ns))[0]["id"] for ns in ("/", "/custom")] == ids[:2]


@pytest.mark.parametrize("kind", VERSION_4, ids=str)
async def test_version_4_derives_the_ids_from_the_sid(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.join("/custom")
    sid = client.transport.opening.sid
    ids = [(await client.ask("whoami", namespace=ns))[0]["id"] for ns in ("/", "/custom")]
    assert ids == [sid, f"/custom#{sid}"]


@pytest.mark.parametrize("kind", VERSION_4, ids=str)
async def test_version_4_joins_the_default_namespace_by_itself(clients: Clients, kind: Kind) -> None:
    client = await clients.opened(kind)
    assert await client.transport.receive() == "40"


@pytest.mark.parametrize("kind", VERSION_4, ids=str)
@pytest.mark.parametrize("query", ["?token=x", "?", "?a=%2C&b=é"])
async def test_version_4_strips_the_query_of_a_namespace(clients: Clients, kind: Kind, query: str) -> None:
    client = await clients.joined(kind)
    await client.join(f"/custom{query}")
    assert await client.ask("ask", 1, namespace="/custom") == [1]


@pytest.mark.parametrize("kind", ANY_PARSER, ids=str)
@pytest.mark.parametrize("namespace", ["/", "/custom"])
async def test_the_payload_of_connect_reaches_the_application(
    clients: Clients, kind: Kind, namespace: str
) -> None:
    client = await clients.opened(kind)
    auth = {"token": "t\u2028🐝", "channels": ["a", "b"], "deep": {"n": None}}
    await client.join(namespace, auth)
    assert (await client.ask("whoami", namespace=namespace))[0]["auth"] == auth


@pytest.mark.parametrize("kind", NOWHERE, ids=str)
async def test_an_unknown_namespace_is_refused_and_the_session_goes_on(clients: Clients, kind: Kind) -> None:
    """Node answers Socket.IO 4 with the object of Socket.IO 5 here, though with text elsewhere."""
    client = await clients.joined(kind)
    await client.send(SioPacket(Type.CONNECT, "/nowhere"))
    refusal = SioPacket(Type.CONNECT_ERROR, "/nowhere", data=error_of(client, "Invalid namespace"))
    assert await client.receive() == refusal
    await client.join("/custom")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
async def test_the_application_may_refuse(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.send(SioPacket(Type.CONNECT, "/refused"))
    refusal = SioPacket(Type.CONNECT_ERROR, "/refused", data=error_of(client, "not here"))
    assert await client.receive() == refusal
    assert await client.ask("ask", 1) == [1]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
async def test_the_application_may_refuse_with_data(clients: Clients, kind: Kind) -> None:
    """Socket.IO 4 has room for one value: the data then stands in place of the text, as in Node."""
    client = await clients.joined(kind)
    await client.send(SioPacket(Type.CONNECT, "/refused-with-data"))
    body = {"code": 7} if kind.eio == 3 else error_of(client, "not here", {"code": 7})
    assert await client.receive() == SioPacket(Type.CONNECT_ERROR, "/refused-with-data", data=body)


@pytest.mark.parametrize("kind", VERSION_5, ids=str)
@pytest.mark.parametrize("first", [None, "40/nowhere,", "40/refused,"])
async def test_a_client_that_joins_nothing_is_closed_in_time(
    clients: Clients, kind: Kind, first: str | None
) -> None:
    client = await clients.opened(kind)
    start = time.monotonic()
    if first is not None:
        await client.transport.send(first)
    await client.transport.closed()
    assert TIMEOUT_S * 0.8 < time.monotonic() - start < 0.95


@pytest.mark.parametrize("kind", ANY_PARSER, ids=str)
async def test_a_client_in_another_namespace_is_not_closed(clients: Clients, kind: Kind) -> None:
    client = await clients.opened(kind)
    start = time.monotonic()
    await client.join("/custom")
    await client.emit("echo", namespace="/custom")
    while time.monotonic() - start < 3 * TIMEOUT_S:
        assert await client.event("/custom") == ["echoed"]
        await client.emit("echo", namespace="/custom")


@pytest.mark.parametrize(
    "packet",
    [
        '42["echo",1]',
        '420["ask"]',
        "41",
        "430[]",
        '44{"message":"no"}',
        '451-["echo",{"_placeholder":true,"num":0}]',
    ],
)
@pytest.mark.parametrize("kind", VERSION_5, ids=str)
async def test_anything_but_connect_at_first_closes(clients: Clients, kind: Kind, packet: str) -> None:
    client = await clients.opened(kind)
    start = time.monotonic()
    await client.transport.push(packet, *([b"x"] if packet.startswith("45") else []))
    await client.transport.closed()
    assert time.monotonic() - start < TIMEOUT_S * 0.8, "at once, not by the timeout"


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
async def test_leaving_a_namespace_leaves_the_others(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.join("/custom")
    await client.send(SioPacket(Type.DISCONNECT, "/custom"))
    assert await client.ask("ask", 1) == [1]
    await client.join("/custom")
    assert await client.ask("ask", 2, namespace="/custom") == [2]


@pytest.mark.parametrize("kind", ANY_PARSER, ids=str)
async def test_the_default_namespace_can_be_left_and_joined_again(clients: Clients, kind: Kind) -> None:
    client = await clients.opened(kind)
    first = await client.join()
    await client.join("/custom")
    await client.send(SioPacket(Type.DISCONNECT))
    assert await client.ask("ask", 1, namespace="/custom") == [1]
    assert await client.join() != first


@pytest.mark.parametrize("joined", [False, True], ids=["never joined", "left"])
@pytest.mark.parametrize(
    "packet", ['42/custom,["echo",1]', '42/custom,7["ask"]', "43/custom,0[]", "41/custom,"]
)
@pytest.mark.parametrize("kind", [WEBSOCKET_4, WEBSOCKET_3], ids=str)
async def test_a_packet_for_a_namespace_not_joined_has_no_effect(
    clients: Clients, kind: Kind, packet: str, joined: bool
) -> None:
    """It may have crossed the server's own DISCONNECT: closing, as Node does, and ignoring are both right."""
    client = await clients.joined(kind)
    if joined:
        await client.join("/custom")
        await client.send(SioPacket(Type.DISCONNECT, "/custom"))
        assert await client.ask("ask", 1) == [1]
    await client.transport.push(packet)
    await ends_or_goes_on(client)


@pytest.mark.parametrize("kind", [WEBSOCKET_4, WEBSOCKET_3], ids=str)
async def test_joining_twice_has_no_effect(clients: Clients, kind: Kind) -> None:
    """Node closes; no second answer may come, with another id."""
    client = await clients.joined(kind)
    await client.join("/custom")
    await client.transport.push("40/custom,")
    await ends_or_goes_on(client)


async def ends_or_goes_on(client: Client) -> None:
    """Check that the next packet, if any, answers what is asked now and not what came before."""
    with contextlib.suppress(EOFError, aiohttp.ClientConnectionResetError):
        assert await client.ask("ask", "now") == ["now"]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
async def test_the_server_may_end_one_namespace_alone(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.join("/custom")
    await client.emit("kick", namespace="/custom")
    assert await client.receive() == SioPacket(Type.DISCONNECT, "/custom")
    assert await client.ask("ask", 1) == [1]


@pytest.mark.parametrize("kind", [WEBSOCKET_4, WEBSOCKET_3], ids=str)
async def test_many_namespaces_share_a_session(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.join("/custom")
    for namespace in ("/", "/custom", "/", "/custom"):
        await client.emit("echo", namespace, namespace=namespace)
    came = [await client.receive() for _ in range(4)]
    assert [(packet.namespace, packet.data) for packet in came] == [
        (namespace, ["echoed", namespace]) for namespace in ("/", "/custom", "/", "/custom")
    ]
