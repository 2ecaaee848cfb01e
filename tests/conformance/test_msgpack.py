"""Cases of the msgpack parser alone; events and namespaces are tested with every parser."""

from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.conformance.client import MSGPACK, MSGPACK_WEBSOCKET, WEBSOCKET_4, Clients, Kind
from tests.conformance.differences import node_differs, where_node_differs

pytestmark = pytest.mark.msgpack

EVENT = {"type": 2, "nsp": "/", "data": ["echo", 1]}

INVALID: dict[str, Any] = {
    "a list": [2, "/", ["echo"]],
    "nil": None,
    "an empty map": {},
    "no type": {"nsp": "/", "data": ["echo"]},
    "a type of text": {**EVENT, "type": "2"},
    "a fraction as type": {**EVENT, "type": 2.5},
    "true as type": {**EVENT, "type": True},
    "a binary type": {**EVENT, "type": 5},
    "type 9": {**EVENT, "type": 9},
    "no namespace": {"type": 2, "data": ["echo"]},
    "a number as namespace": {**EVENT, "nsp": 1},
    "bytes as namespace": {**EVENT, "nsp": b"/"},
    "an event without data": {"type": 2, "nsp": "/"},
    "an event that is a map": {**EVENT, "data": {"echo": 1}},
    "an event without a name": {**EVENT, "data": []},
    "an event named by bytes": {**EVENT, "data": [b"echo"]},
    "a reserved name": {**EVENT, "data": ["disconnect"]},
    "an id of text": {**EVENT, "id": "1"},
    "a fraction as id": {**EVENT, "id": 1.5},
    "an acknowledgement without data": {"type": 3, "nsp": "/", "id": 1},
    "leaving with data": {"type": 1, "nsp": "/", "data": {}},
    "joining with a list": {"type": 0, "nsp": "/custom", "data": []},
    "an error from the client": {"type": 4, "nsp": "/", "data": {"message": "no"}},
}
NOT_CHECKED_BY_NODE = {"an event without a name", "an event named by bytes", "a reserved name"}
NOT_MSGPACK = {
    "nothing": b"",
    "cut short": msgpack.packb(EVENT)[:-1],
    "more after the end": msgpack.packb(EVENT) + b"\xc0",
    "a byte never used": b"\xc1",
    "a list of four thousand million": b"\xdd\xff\xff\xff\xff",
    "a map of four thousand million": b"\xdf\xff\xff\xff\xff",
    "a text of four thousand million": b"\xdb\xff\xff\xff\xff",
    "text that is not UTF-8": b"\x81\xa4type\xa2\xff\xfe",
    "deep lists": b"\x91" * 9_000 + b"\xc0",
}


@pytest.mark.parametrize("kind", MSGPACK, ids=str)
@pytest.mark.parametrize(
    "name", where_node_differs(INVALID, "does not check names", NOT_CHECKED_BY_NODE.__contains__)
)
async def test_an_invalid_map_closes(clients: Clients, kind: Kind, name: str) -> None:
    """Node's msgpack parser looks at no event name."""
    client = await clients.joined(kind)
    await client.transport.push(msgpack.packb(INVALID[name]))
    await client.transport.closed()


@pytest.mark.parametrize("kind", MSGPACK, ids=str)
@pytest.mark.parametrize("name", NOT_MSGPACK)
async def test_what_is_no_msgpack_closes(clients: Clients, kind: Kind, name: str) -> None:
    client = await clients.joined(kind)
    await client.transport.push(NOT_MSGPACK[name])
    await client.transport.closed()


@pytest.mark.parametrize("kind", MSGPACK, ids=str)
@pytest.mark.parametrize("first", [b"", b"\xc1", msgpack.packb(EVENT), msgpack.packb([0, "/"])])
async def test_anything_but_connect_at_first_closes(clients: Clients, kind: Kind, first: bytes) -> None:
    client = await clients.opened(kind)
    await client.transport.push(first)
    await client.transport.closed()


async def test_text_from_a_msgpack_client_closes(clients: Clients) -> None:
    client = await clients.joined(MSGPACK_WEBSOCKET)
    await client.transport.push('42["echo",1]')
    await client.transport.closed()


@pytest.mark.parametrize("kind", MSGPACK, ids=str)
async def test_fields_may_be_undefined(clients: Clients, kind: Kind) -> None:
    """The Node parser writes ``undefined`` as nil or as an extension of type 0."""
    client = await clients.opened(kind)
    undefined = msgpack.ExtType(0, b"\x00")
    await client.transport.send(msgpack.packb({"type": 0, "nsp": "/", "data": undefined}))
    assert (await client.receive()).data["sid"]
    await client.transport.send(msgpack.packb({**EVENT, "id": undefined}))
    assert await client.event() == ["echoed", 1]


@pytest.mark.parametrize("kind", MSGPACK, ids=str)
async def test_other_keys_are_overlooked(clients: Clients, kind: Kind) -> None:
    """socket.io-client writes its own ``options`` into the map."""
    client = await clients.joined(kind)
    await client.transport.send(msgpack.packb({**EVENT, "options": {"compress": True}}))
    assert await client.event() == ["echoed", 1]


@node_differs("one parser for all its clients")
async def test_clients_of_both_parsers_use_one_server(clients: Clients) -> None:
    """A Node server has one parser for all."""
    for kind in (MSGPACK_WEBSOCKET, WEBSOCKET_4, MSGPACK_WEBSOCKET):
        client = await clients.joined(kind)
        assert await client.ask("ask", b"1", "é") == [b"1", "é"]
