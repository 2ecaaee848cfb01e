"""Events and acknowledgements, text and binary, by every kind of client."""

from typing import Any

import pytest

from tests.conformance.client import EVERY, MSGPACK, WEBSOCKETS, Clients, Kind
from tests.conformance.differences import msgpack_only
from tests.conformance.parsers import SioPacket, Type

WIRE_FORMATS = [*EVERY, *msgpack_only(MSGPACK)]
every_kind = pytest.mark.parametrize("kind", WIRE_FORMATS, ids=str)

TEXTS = {
    "nothing": "",
    "ascii": "hello",
    "latin": "é à ß",
    "emoji": "🐝 👩‍👩‍👧",
    "line separators": "a\u2028b\u2029c",
    "line feeds": "a\nb\r\nc",
    "backslashes": "\\n \\\\n \\",
    "record separator": "a\x1eb",
    "controls": "".join(map(chr, range(32))) + "\x7f",
    "quotes": "\"'</script>&",
    "escape of a form": "a+b&d=%20;",
    "like a packet": '42["echo"]',
    "like a length": "2:40",
    "far planes": "\U0010ffff\U00010000\uffff",
}
VALUES: dict[str, list[Any]] = {
    "no argument": [],
    "all of JSON": [None, True, False, 0, -1, 1.5, 0.1, 2**40, "", [], {}, {"a": {"b": [1]}}],
    "several": ["a", 1, {"k": "v"}],
    "nested list": [[[[["deep"]]]]],
    "large": ["x" * 9_000],
}
BINARY: dict[str, list[Any]] = {
    "one": [b"abc"],
    "empty": [b""],
    "every byte": [bytes(range(256))],
    "several": [b"a", b"b", b"c"],
    "in a list": [["x", b"y", [b"z"]]],
    "in an object": [{"file": b"f", "more": {"deep": b"g"}, "name": "n"}],
    "like packets": [b"\x04", b"\x00\x01\xff", b"4\x1e2", b"b4"],
    "lengths of two and three digits": [b"a" * 9, b"b" * 99, b"c" * 999],
    "after text": ["é🐝\u2028", b"\x80", 1],
}


@every_kind
@pytest.mark.parametrize(
    "args", [*VALUES.values(), *([text] for text in TEXTS.values())], ids=[*VALUES, *TEXTS]
)
async def test_an_event_arrives_intact(clients: Clients, kind: Kind, args: list[Any]) -> None:
    client = await clients.joined(kind)
    await client.emit("echo", *args)
    assert await client.event() == ["echoed", *args]


@every_kind
@pytest.mark.parametrize("args", [*BINARY.values()], ids=[*BINARY])
async def test_a_binary_event_arrives_intact(clients: Clients, kind: Kind, args: list[Any]) -> None:
    client = await clients.joined(kind)
    await client.emit("echo", *args)
    assert await client.event() == ["echoed", *args]
    await client.emit("echo", "then text")
    assert await client.event() == ["echoed", "then text"]


@every_kind
@pytest.mark.parametrize("namespace", ["/", "/custom"])
@pytest.mark.parametrize(
    "args", [[], [1, "é🐝\u2028", None], [b"a", {"b": [b"c"]}]], ids=["none", "text", "binary"]
)
async def test_an_acknowledgement_arrives_intact(
    clients: Clients, kind: Kind, namespace: str, args: list[Any]
) -> None:
    client = await clients.joined(kind)
    if namespace != "/":
        await client.join(namespace)
    assert await client.ask("ask", *args, namespace=namespace) == args


@every_kind
@pytest.mark.parametrize("number", [0, 7, 10**9, 2**53 - 1])
async def test_any_id_is_answered_with_itself(clients: Clients, kind: Kind, number: int) -> None:
    client = await clients.joined(kind)
    await client.send(SioPacket(Type.EVENT, id=number, data=["ask", 12]))
    assert await client.receive() == SioPacket(Type.ACK, id=number, data=[12])


@every_kind
async def test_an_event_without_handler_changes_nothing(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.emit("nobody listens", 1, b"2")
    assert await client.ask("ask", 1) == [1]


@every_kind
async def test_an_unexpected_acknowledgement_changes_nothing(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    await client.send(SioPacket(Type.ACK, id=99, data=["?"]))
    assert await client.ask("ask", 1) == [1]


@every_kind
async def test_answers_keep_the_order_of_their_events(clients: Clients, kind: Kind) -> None:
    client = await clients.joined(kind)
    for i in range(0, 30, 3):
        await client.emit("echo", i)
        await client.emit("echo", b"%d" % (i + 1))
        await client.send(SioPacket(Type.EVENT, id=i, data=["ask", i + 2]))
    data = [(await client.receive()).data for _ in range(30)]
    assert [item[-1] for item in data] == [i if i % 3 != 1 else b"%d" % i for i in range(30)]


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_lone_surrogate_does_no_harm(clients: Clients, kind: Kind) -> None:
    r"""JSON may hold ``\ud800`` alone: JavaScript writes it, UTF-8 cannot."""
    client = await clients.joined(kind)
    await client.transport.send('42["echo","\\ud800!"]')
    assert await client.event() == ["echoed", "\ud800!"]
    assert await client.ask("ask", 1) == [1]
