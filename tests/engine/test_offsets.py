"""Offsets in messages: the last argument for clients that recover, the field ``position`` for others."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from hornet.core.messages import Message
from hornet.engine import Delivery, EngineSettings, PreparedMessage
from hornet.engine.wire.compression import inflate
from hornet.engine.wire.msgpack_packets import parse_msgpack
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.prepared import (
    BY_EVENT,
    DEFLATED,
    MSGPACK,
    OFFSETS,
    POSITIONS,
    RECOVERABLE,
    TEXT_ONLY,
    VERSION_3,
    Prepared,
    PreparedPacket,
    SharedAcknowledgement,
    SharedAnswer,
)
from tests.engine.application import Application, Text, running
from tests.engine.compiled import COMPILED

OFFSET = "a1b2-17-n1-3"


def event(*args: Any, ack: int | None = None, namespace: str = "/") -> PreparedPacket:
    return PreparedPacket(SioPacket(Type.EVENT, ["x", *args], namespace, ack), OFFSET)


def news(**fields: Any) -> Message:
    return Message("cnn", {"type": "news", **fields})


@dataclass(frozen=True)
class Published(Text):
    """A message of a plug-in, whose text may be any JSON."""

    data: object = field(default=None)

    def event(self) -> tuple[str, object]:
        return "x", self.data


# Recoverable ------------------------------------------------------------------------------------


def test_every_event_ends_in_the_offset_for_a_client_that_recovers() -> None:
    assert event().packets(RECOVERABLE) == [f'42["x","{OFFSET}"]']
    assert event("text").packets(RECOVERABLE) == [f'42["x","text","{OFFSET}"]']
    message = PreparedMessage(Text("ä"), OFFSET)
    assert message.packets(RECOVERABLE) == [f'42["message","ä","{OFFSET}"]']
    assert message.packets(RECOVERABLE | BY_EVENT) == [f'42["news",{{"body":"ä"}},"{OFFSET}"]']


def test_the_offset_stands_behind_the_placeholders_of_an_event_with_binary() -> None:
    text, attachment = event(b"\x01").packets(RECOVERABLE)
    assert text == f'451-["x",{{"_placeholder":true,"num":0}},"{OFFSET}"]'
    assert attachment == b"\x01"
    assert len(event(b"\x01").packets(RECOVERABLE | TEXT_ONLY)) == 2


def test_the_offset_is_the_last_argument_in_messagepack() -> None:
    cases: list[tuple[Prepared, list[object]]] = [
        (event(b"\x01"), ["x", b"\x01", OFFSET]),
        (PreparedMessage(Text("hello"), OFFSET), ["message", "hello", OFFSET]),
    ]
    for prepared, data in cases:
        [packet] = prepared.packets(RECOVERABLE | MSGPACK)
        assert isinstance(packet, bytes)
        assert parse_msgpack(packet).data == data
        [packet] = prepared.packets(MSGPACK)
        assert isinstance(packet, bytes)
        assert parse_msgpack(packet).data == data[:-1], "the packet itself has not changed"


def test_an_event_of_a_node_without_an_offset_ends_in_an_empty_text() -> None:
    message = PreparedPacket(SioPacket(Type.EVENT, ["x"]))
    assert message.packets(RECOVERABLE) == ['42["x",""]'], "else the client takes the event's name"


@pytest.mark.parametrize(
    "prepared",
    [
        event("text", ack=3),
        event("text", namespace="/plugin"),
        PreparedPacket(SioPacket(Type.ACK, ["text"], id=3), OFFSET),
        PreparedPacket(SioPacket(Type.DISCONNECT), OFFSET),
        SharedAcknowledgement(SharedAnswer({"a": 1}), 3),
    ],
    ids=["event with an ACK", "event of a plug-in's namespace", "ACK", "DISCONNECT", "shared answer"],
)
@pytest.mark.parametrize("wire_format", [0, MSGPACK, TEXT_ONLY | DEFLATED])
def test_other_packets_carry_no_offset_and_share_their_bytes(
    prepared: PreparedPacket, wire_format: int
) -> None:
    assert prepared.frames(wire_format | OFFSETS) is prepared.frames(wire_format)
    assert prepared.packets(wire_format | OFFSETS) is prepared.packets(wire_format)


def test_a_long_event_is_compressed_with_its_offset() -> None:
    frames = event("ä" * 2000).frames(RECOVERABLE | DEFLATED)
    assert frames[0] & 0x40
    payload = frames[2:] if frames[1] < 126 else frames[4:]
    assert inflate(payload, 10_000).decode().endswith(f',"{OFFSET}"]')


# Positions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire_format", [POSITIONS, POSITIONS | VERSION_3])
def test_a_message_has_its_position_in_the_last_field(wire_format: int) -> None:
    message = PreparedMessage(news(body="a"), OFFSET)
    [text] = message.packets(wire_format)
    assert isinstance(text, str)
    name, argument = json.loads(text[2:])
    assert (name, argument) == ("message", f'{{"type":"news","body":"a","position":"{OFFSET}"}}')
    assert message.packets(wire_format | BY_EVENT) == [
        f'42["news",{{"type":"news","body":"a","position":"{OFFSET}"}}]'
    ]
    assert message.packets(0) == ['42["message","{\\"type\\":\\"news\\",\\"body\\":\\"a\\"}"]']


def test_a_position_that_the_backend_published_stays_and_the_other_has_another_name() -> None:
    message = PreparedMessage(news(position="mine", at={"position": 1}), OFFSET)
    expected = {"type": "news", "position": "mine", "at": {"position": 1}, "hornet:position": OFFSET}
    [text] = message.packets(POSITIONS)
    assert isinstance(text, str)
    assert json.loads(json.loads(text[2:])[1]) == expected
    [text] = message.packets(POSITIONS | BY_EVENT)
    assert isinstance(text, str)
    assert json.loads(text[2:]) == ["news", expected]


@pytest.mark.parametrize(("text", "expected"), [("{ }", f'{{ "position":"{OFFSET}"}}'), ("[1]", "[1]")])
def test_an_empty_object_gets_a_position_and_other_json_does_not(text: str, expected: str) -> None:
    message = PreparedMessage(Published(text, json.loads(text)), OFFSET)
    assert message.packet(POSITIONS).data == ["message", expected]
    assert message.packet(POSITIONS | BY_EVENT).data == ["x", json.loads(expected)]


def test_a_deeper_field_position_takes_no_name() -> None:
    [text] = PreparedMessage(news(at={"position": 1}), OFFSET).packets(POSITIONS)
    assert isinstance(text, str)
    assert json.loads(json.loads(text[2:])[1])["position"] == OFFSET


@pytest.mark.parametrize("also", [0, RECOVERABLE, VERSION_3, MSGPACK])
def test_a_message_with_the_position_follows_another_event(also: int) -> None:
    other = PreparedPacket(SioPacket(Type.EVENT, ["order paid", {"order": 7}]), OFFSET)
    first, second = other.packets(POSITIONS | also)
    assert [first] == other.packets(also)
    position = Message("hornet", {"type": "position", "channel": "hornet"})
    assert [second] == PreparedMessage(position, OFFSET).packets(POSITIONS | also)


def test_messages_without_an_offset_and_acknowledgements_are_as_without_positions() -> None:
    for prepared in (
        PreparedMessage(news()),
        PreparedPacket(SioPacket(Type.EVENT, ["order paid"])),
        PreparedPacket(SioPacket(Type.EVENT, ["order paid"], id=1), OFFSET),
        PreparedPacket(SioPacket(Type.ACK, [1], id=1), OFFSET),
    ):
        assert prepared.frames(POSITIONS) is prepared.frames(0)


def test_a_session_may_have_the_offset_in_both_places() -> None:
    [text] = PreparedMessage(news(), OFFSET).packets(OFFSETS | BY_EVENT)
    assert text == f'42["news",{{"type":"news","position":"{OFFSET}"}},"{OFFSET}"]'


# The engine -------------------------------------------------------------------------------------


@pytest.fixture(params=COMPILED)
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    async with running(EngineSettings(compiled=request.param)) as started:
        yield started


async def with_positions(
    application: Application, delivery: Delivery = Delivery.EVENT
) -> tuple[aiohttp.ClientWebSocketResponse, str]:
    ws, sid = await application.open_websocket()
    application.engine.set_delivery(sid, delivery)
    application.engine.set_positions(sid, True)
    return ws, sid


async def test_a_message_has_the_offset_of_the_moment_at_which_it_was_sent(application: Application) -> None:
    ws, _ = await with_positions(application)
    plain, _ = await application.open_websocket()
    engine = application.engine
    engine.fan_out("all", Text("before"))
    engine.set_offset("o-1")
    engine.fan_out("all", Text("first"))
    engine.set_offset("o-2")
    engine.fan_out("all", Text("again"), offset="o-0")
    engine.send_room("all", "other")
    assert [await ws.receive_str() for _ in range(4)] == [
        '42["news",{"body":"before"}]',
        '42["news",{"body":"first","position":"o-1"}]',
        '42["news",{"body":"again","position":"o-0"}]',
        '42["other"]',
    ]
    assert [await plain.receive_str() for _ in range(4)] == [
        '42["message","before"]',
        '42["message","first"]',
        '42["message","again"]',
        '42["other"]',
    ]


async def test_a_message_that_was_made_before_has_the_present_offset(application: Application) -> None:
    ws, sid = await with_positions(application)
    plain, plain_sid = await application.open_websocket()
    message = PreparedMessage(Text("hello"))
    for number in range(2):
        application.engine.set_offset(f"o-{number}")
        application.engine.tell(sid, message)
        application.engine.tell(plain_sid, message)
    application.engine.tell(sid, message, offset="o-7")
    assert [json.loads((await ws.receive_str())[2:])[1]["position"] for _ in range(3)] == [
        "o-0",
        "o-1",
        "o-7",
    ]
    assert [await plain.receive_str() for _ in range(2)] == ['42["message","hello"]'] * 2
    assert message.at("o-7") is message.at("o-7"), (
        "encoded once for all sessions that get it with this offset"
    )


async def test_positions_can_be_turned_off_and_the_format_stays(application: Application) -> None:
    ws, sid = await with_positions(application)
    application.engine.set_offset("o-1")
    application.engine.set_positions(sid, False)
    application.engine.tell(sid, Text("hello"))
    assert await ws.receive_str() == '42["news",{"body":"hello"}]'
    application.engine.set_positions("nobody", True)
