"""WebSocket sessions in both versions: frames, limits and closing."""

import contextlib
import time

import aiohttp
import pytest

from tests.conformance.client import WEBSOCKET_3, WEBSOCKET_3_B64, WEBSOCKETS, Client, Clients, Kind
from tests.conformance.differences import node_differs, where_node_differs
from tests.conformance.websocket import WebSocket

MANY = 40
TOO_BIG = 1009
"""Close code of RFC 6455, section 7.4.1."""


async def joined(clients: Clients, kind: Kind) -> tuple[Client, WebSocket]:
    client = await clients.joined(kind)
    assert isinstance(client.transport, WebSocket)
    return client, client.transport


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_frames_are_handled_in_order(clients: Clients, kind: Kind) -> None:
    client, websocket = await joined(clients, kind)
    await websocket.send(*(f'42["echo",{i}]' for i in range(MANY)))
    assert [await client.event() for _ in range(MANY)] == [["echoed", i] for i in range(MANY)]


@pytest.mark.parametrize("frame", ["", "7", "x", "\x1e", "42\x1e42", " 2", "é"], ids=repr)
@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_malformed_frame_closes(clients: Clients, kind: Kind, frame: str) -> None:
    _, websocket = await joined(clients, kind)
    await websocket.push(frame)
    await websocket.closed()


@pytest.mark.parametrize(
    "frame", where_node_differs(["b4!!!", "b9AAAA", "b"], "ignores it", lambda frame: frame != "b4!!!")
)
@pytest.mark.parametrize("kind", [WEBSOCKET_3, WEBSOCKET_3_B64], ids=str)
async def test_malformed_base64_closes(clients: Clients, kind: Kind, frame: str) -> None:
    """Node skips what it cannot decode."""
    _, websocket = await joined(clients, kind)
    await websocket.push(frame)
    await websocket.closed()


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_message_up_to_the_limit_is_taken(clients: Clients, kind: Kind) -> None:
    client, websocket = await joined(clients, kind)
    limit = (await clients.polling(4).open()).max_payload
    assert limit is not None
    text = "x" * (limit - len('42["echo",""]'))
    await websocket.send(f'42["echo","{text}"]')
    assert await client.event() == ["echoed", text]


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_message_over_the_limit_closes(clients: Clients, kind: Kind) -> None:
    _, websocket = await joined(clients, kind)
    limit = (await clients.polling(4).open()).max_payload
    assert limit is not None
    await websocket.push(f'42["echo","{"x" * limit}"]')
    assert await websocket.closed() == TOO_BIG


@node_differs("ignores a close packet on a WebSocket")
@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_close_packet_closes(clients: Clients, kind: Kind) -> None:
    """Node leaves it to the heartbeat."""
    start = time.monotonic()
    _, websocket = await joined(clients, kind)
    await websocket.push("1")
    await websocket.closed()
    assert time.monotonic() - start < websocket.opening.ping_interval_s


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_the_server_closes_the_websocket_when_it_ends_a_session(clients: Clients, kind: Kind) -> None:
    _, websocket = await joined(clients, kind)
    await websocket.send('42["drop"]')
    with contextlib.suppress(EOFError):
        while True:
            assert await websocket.packet() in ("41", "1")


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_a_session_is_gone_with_its_websocket(clients: Clients, kind: Kind) -> None:
    start = time.monotonic()
    _, websocket = await joined(clients, kind)
    await websocket.close()
    while (status := await status_of_websocket(clients, kind.eio, websocket.opening.sid)) == 101:
        pass
    assert status == 400
    assert time.monotonic() - start < websocket.opening.ping_interval_s


async def status_of_websocket(clients: Clients, eio: int, sid: str) -> int:
    """The HTTP status that answers a WebSocket for an existing session."""
    websocket = clients.websocket(eio)
    try:
        await websocket.connect(sid=sid)
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status
    await websocket.closed()
    return 101


@pytest.mark.parametrize("kind", WEBSOCKETS, ids=str)
async def test_no_extension_is_agreed_unless_asked_for(clients: Clients, kind: Kind) -> None:
    """Compression is an option: it costs memory for every connection."""
    async with clients.http.ws_connect(
        clients.url, params=clients.websocket(kind.eio).query, compress=15
    ) as socket:
        assert socket.compress == 0
