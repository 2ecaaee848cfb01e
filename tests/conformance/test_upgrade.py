"""The upgrade from polling to a WebSocket, in both versions: nothing lost, nothing twice."""

import asyncio

import aiohttp
import pytest

from tests.conformance.client import Client, Clients
from tests.conformance.parsers import DefaultParser
from tests.conformance.polling import Polling
from tests.conformance.transports import NOOP, PING
from tests.conformance.websocket import WebSocket

pytestmark = pytest.mark.parametrize("eio", [4, 3])

BATCH, SIMULTANEOUS = 60, 10


async def probing(clients: Clients, eio: int) -> tuple[Client, Polling, WebSocket]:
    """A client that polls, and its WebSocket whose probe was answered."""
    polling, websocket = clients.polling(eio), clients.websocket(eio)
    websocket.opening = await polling.open()
    client = Client(polling, DefaultParser())
    await client.join()
    await websocket.connect(sid=polling.opening.sid)
    await websocket.send("2probe")
    assert await websocket.packet() == "3probe"
    return client, polling, websocket


async def polls_still(client: Client) -> None:
    """Check that the client's session lives on over polling."""
    await client.emit("echo", "still here")
    assert await client.event() == ["echoed", "still here"]


async def test_the_pending_poll_ends_with_a_noop_and_messages_move(clients: Clients, eio: int) -> None:
    _, polling, websocket = await probing(clients, eio)
    assert await polling.poll() == [NOOP]
    await websocket.send("5", '42["echo","moved"]')
    assert await websocket.packet() == '42["echoed","moved"]', "no stray packet may come first"


async def test_a_poll_that_waits_when_the_probe_comes_ends_too(clients: Clients, eio: int) -> None:
    polling, websocket = clients.polling(eio), clients.websocket(eio)
    websocket.opening = await polling.open()
    await Client(polling, DefaultParser()).join()
    pending = asyncio.create_task(polling.poll())
    await websocket.connect(sid=polling.opening.sid)
    await websocket.send("2probe")
    assert await websocket.packet() == "3probe"
    assert await pending == [NOOP]


async def test_no_message_is_lost_or_doubled_in_an_upgrade(clients: Clients, eio: int) -> None:
    await asyncio.gather(*(upgrade_under_load(clients, eio) for _ in range(SIMULTANEOUS)))


async def upgrade_under_load(clients: Clients, eio: int) -> None:
    """Ask for numbers before, during and after an upgrade, and receive each once, in order."""
    client, polling, websocket = await probing(clients, eio)
    await client.emit("count", BATCH)
    numbers: list[str | bytes] = []
    while (packets := await polling.poll()) != [NOOP]:
        numbers += packets
    await client.emit("count", BATCH)
    client.transport = websocket
    await websocket.send("5")
    await client.emit("count", BATCH)
    numbers += [await websocket.receive() for _ in range(3 * BATCH - len(drop_pings(numbers)))]
    assert drop_pings(numbers) == [f'42["number",{i}]' for i in range(BATCH)] * 3


def drop_pings(packets: list[str | bytes]) -> list[str | bytes]:
    return [packet for packet in packets if packet not in (PING, NOOP)]


async def test_messages_of_the_client_keep_their_order(clients: Clients, eio: int) -> None:
    _, polling, websocket = await probing(clients, eio)
    await polling.send(*(f'42["echo",{i}]' for i in range(BATCH)))
    came = drop_pings(await polling.poll())
    await websocket.send("5", *(f'42["echo",{i}]' for i in range(BATCH, 2 * BATCH)))
    came += [await websocket.receive() for _ in range(2 * BATCH - len(came))]
    assert came == [f'42["echoed",{i}]' for i in range(2 * BATCH)]


async def test_binary_that_waits_is_delivered_after_the_upgrade(clients: Clients, eio: int) -> None:
    client, _, websocket = await probing(clients, eio)
    await client.emit("echo", b"\x04\x00", [b"b" * 300])
    client.transport = websocket
    await websocket.send("5")
    assert await client.event() == ["echoed", b"\x04\x00", [b"b" * 300]]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_http_is_refused_to_an_upgraded_session_which_lives_on(
    clients: Clients, eio: int, method: str
) -> None:
    client, polling = await clients.upgraded(eio)
    await client.ask("ask")
    answer = await polling.request(method, None if method == "GET" else "42")
    assert (answer.status, answer.code) == (400, 3)
    assert await client.ask("ask", 1) == [1]


async def test_a_second_websocket_of_an_upgraded_session_is_closed(clients: Clients, eio: int) -> None:
    client, polling = await clients.upgraded(eio)
    await client.ask("ask")
    second = clients.websocket(eio)
    await second.connect(sid=polling.opening.sid)
    await second.closed()
    assert await client.ask("ask", 1) == [1]


async def test_a_second_websocket_during_an_upgrade_is_closed(clients: Clients, eio: int) -> None:
    client, polling, websocket = await probing(clients, eio)
    second = clients.websocket(eio)
    await second.connect(sid=polling.opening.sid)
    await second.closed()
    client.transport = websocket
    await websocket.send("5")
    assert await client.ask("ask", 1) == [1]


async def test_an_upgrade_that_is_not_finished_in_time_is_dropped(clients: Clients, eio: int) -> None:
    client, polling, websocket = await probing(clients, eio)
    if eio == 3:
        await polling.send(PING)
    waiting = asyncio.create_task(client.event())
    with pytest.raises(EOFError):
        await websocket.packet()
    await client.emit("echo", "still here")
    assert await waiting == ["echoed", "still here"]


@pytest.mark.parametrize("packet", ['42["echo",1]', "3probe", "6", "1", "abc"])
async def test_anything_but_the_upgrade_packet_after_the_probe_drops_it(
    clients: Clients, eio: int, packet: str
) -> None:
    client, _, websocket = await probing(clients, eio)
    await websocket.send(packet)
    with pytest.raises(EOFError):
        await websocket.packet()
    await polls_still(client)


@pytest.mark.parametrize("packet", ['42["echo",1]', "2", "2prob", "3probe", "6", ""])
async def test_anything_but_a_probe_at_first_drops_the_websocket(
    clients: Clients, eio: int, packet: str
) -> None:
    polling, websocket = clients.polling(eio), clients.websocket(eio)
    await polling.open()
    client = Client(polling, DefaultParser())
    await client.join()
    await websocket.connect(sid=polling.opening.sid)
    await websocket.send(packet)
    with pytest.raises(EOFError):
        await websocket.packet()
    await polls_still(client)


async def test_a_websocket_closed_before_the_upgrade_leaves_polling_as_it_was(
    clients: Clients, eio: int
) -> None:
    client, polling, websocket = await probing(clients, eio)
    await websocket.close()
    await polls_still(client)
    again = clients.websocket(eio)
    await again.connect(sid=polling.opening.sid)
    await again.send("2probe")
    assert await again.packet() == "3probe", "it may try again"


async def test_a_session_that_ends_during_an_upgrade_takes_the_websocket_along(
    clients: Clients, eio: int
) -> None:
    _, polling, websocket = await probing(clients, eio)
    await polling.send("1")
    with pytest.raises(EOFError):
        await websocket.packet()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await clients.websocket(eio).connect(sid=polling.opening.sid)


async def test_an_upgrade_keeps_the_version(clients: Clients, eio: int) -> None:
    polling = clients.polling(eio)
    await polling.open()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await clients.websocket(7 - eio).connect(sid=polling.opening.sid)
    assert refusal.value.status == 400


async def test_heartbeats_go_on_after_an_upgrade(clients: Clients, eio: int) -> None:
    client, _ = await clients.upgraded(eio)
    websocket = client.transport
    assert isinstance(websocket, WebSocket)
    for _ in range(2):
        if eio == 3:
            await websocket.send("2")
        assert await websocket.packet() == ("2" if eio == 4 else "3")
        if eio == 4:
            await websocket.send("3")
