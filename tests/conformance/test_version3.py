"""Formats that only Engine.IO 3 has: payloads as text, bytes and scripts, and binary frames."""

import json

import pytest

from tests.conformance import payloads
from tests.conformance.client import JSONP_3, POLLING_3, POLLING_3_B64, WEBSOCKET_3, Clients, Kind
from tests.conformance.differences import node_differs, where_node_differs
from tests.conformance.polling import BINARY, FORM, SCRIPTS, TEXT, Polling
from tests.conformance.websocket import WebSocket

ECHO: list[payloads.Packet] = [r'451-["echo",{"_placeholder":true,"num":0}]', b"\x00\xff\x04"]
BACK: list[payloads.Packet] = [r'451-["echoed",{"_placeholder":true,"num":0}]', b"\x00\xff\x04"]


async def joined(clients: Clients, kind: Kind) -> Polling:
    transport = (await clients.joined(kind)).transport
    assert isinstance(transport, Polling)
    return transport


@pytest.mark.parametrize(
    ("kind", "content_types"),
    [(POLLING_3, (BINARY,)), (POLLING_3_B64, ("text/plain;charset=utf-8",)), (JSONP_3, SCRIPTS)],
    ids=str,
)
@pytest.mark.parametrize("form", ["text", "bytes"])
async def test_binary_may_be_posted_in_either_form_and_comes_in_that_of_the_client(
    clients: Clients, kind: Kind, content_types: tuple[str, ...], form: str
) -> None:
    polling = await joined(clients, kind)
    if kind.jsonp is not None:
        await polling.send(*ECHO)
    elif form == "text":
        await polling.request("POST", payloads.encode_v3_text(ECHO), TEXT)
    else:
        await polling.request("POST", payloads.encode_v3_binary(ECHO), BINARY)
    answer = await polling.request("GET")
    assert answer.content_type in content_types
    assert [_without_spaces(packet) for packet in polling.decode(answer)] == BACK


def _without_spaces(packet: str | bytes) -> str | bytes:
    return packet if isinstance(packet, bytes) else packet.replace(", ", ",").replace(": ", ":")


@pytest.mark.parametrize("kind", [POLLING_3, POLLING_3_B64, JSONP_3], ids=str)
async def test_text_alone_is_framed_as_text(clients: Clients, kind: Kind) -> None:
    polling = await joined(clients, kind)
    await polling.send('42["echo","🐝é\u2028"]')
    answer = await polling.request("GET")
    assert answer.content_type != BINARY
    (packet,) = polling.decode(answer)
    assert isinstance(packet, str)
    assert json.loads(packet[2:]) == ["echoed", "🐝é\u2028"]


async def test_an_event_in_a_binary_payload_counts_bytes(clients: Clients) -> None:
    """The length in a binary payload is that of the UTF-8, not in UTF-16 code units."""
    polling = await joined(clients, POLLING_3)
    packets: list[payloads.Packet] = ['42["echo","é🐝"]', *ECHO]
    await polling.request("POST", payloads.encode_v3_binary(packets), BINARY)
    answer = await polling.request("GET")
    assert answer.content_type == BINARY
    first, *rest = polling.decode(answer)
    assert isinstance(first, str)
    assert json.loads(first[2:]) == ["echoed", "é🐝"]
    assert [_without_spaces(packet) for packet in rest] == BACK


@pytest.mark.parametrize("index", ["0", "12"])
async def test_a_script_calls_the_index_it_was_asked_for(clients: Clients, index: str) -> None:
    polling = Polling(clients.http, clients.url, 3, b64=True, jsonp=int(index))
    opening = await polling.open()
    assert opening.sid


@pytest.mark.parametrize("index", ["0);alert(1", "alert", "<script>", "-1", "1.5"])
async def test_a_script_never_repeats_what_is_not_a_digit(clients: Clients, index: str) -> None:
    answer = await Polling(clients.http, clients.url, 3).request("GET", j=index)
    digits = "".join(letter for letter in index if letter.isdigit())
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.body.startswith(f"___eio[{digits}](".encode())
        assert b"alert" not in answer.body


@node_differs("writes its buffer object as JSON")
async def test_a_script_holds_text_though_its_client_asked_for_none(clients: Clients) -> None:
    """Node answers binary to a JSONP client without ``b64`` with a useless object."""
    polling = Polling(clients.http, clients.url, 3, jsonp=3)
    await polling.open()
    assert await polling.receive() == "40"
    await polling.send(*ECHO)
    assert [_without_spaces(packet) for packet in await polling.poll()] == BACK


@pytest.mark.parametrize(
    "body", where_node_differs(["", "e=1%3A2", "d"], "ignores it", lambda body: body != "d")
)
async def test_a_form_without_its_field_is_malformed(clients: Clients, body: str) -> None:
    """Node answers ``ok`` and does nothing."""
    polling = await joined(clients, JSONP_3)
    await polling.push_body(body, FORM)
    await polling.closed()


@node_differs("ignores it")
@pytest.mark.parametrize("frame", [b"", b"\x09abc", b"4abc"])
async def test_a_binary_frame_that_is_no_message_closes(clients: Clients, frame: bytes) -> None:
    """Node skips a packet of unknown type."""
    transport = (await clients.joined(WEBSOCKET_3)).transport
    assert isinstance(transport, WebSocket)
    await transport.send_frame(frame)
    await transport.closed()
