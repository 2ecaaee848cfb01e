"""Heartbeats: the server asks in Engine.IO 4, the client in Engine.IO 3; timings stay sub-second."""

import asyncio
import time

import pytest

from tests.conformance.client import EVERY, POLLING_3, POLLING_4, WEBSOCKET_3, WEBSOCKET_4, Clients, Kind
from tests.conformance.differences import node_differs
from tests.conformance.polling import Polling
from tests.conformance.websocket import WebSocket

BEATS = 3
ASKED = [POLLING_4, WEBSOCKET_4]
ASKING = [kind for kind in EVERY if kind.eio == 3]


async def next_packets(transport: Polling | WebSocket) -> list[str | bytes]:
    return await transport.poll() if isinstance(transport, Polling) else [await transport.packet()]


async def transport_of(clients: Clients, kind: Kind) -> Polling | WebSocket:
    client = await clients.joined(kind)
    transport = client.transport
    assert isinstance(transport, Polling | WebSocket)
    return transport


@pytest.mark.parametrize("kind", ASKED, ids=str)
async def test_the_server_pings_at_its_interval(clients: Clients, kind: Kind) -> None:
    transport = await transport_of(clients, kind)
    start = time.monotonic()
    for _ in range(BEATS):
        assert await next_packets(transport) == ["2"]
        await transport.send("3")
    interval_s = (time.monotonic() - start) / BEATS
    assert transport.opening.ping_interval_s * 0.8 < interval_s < 0.9, "a sub-second interval, not rounded"


@pytest.mark.parametrize("kind", ASKING, ids=str)
async def test_a_ping_is_answered(clients: Clients, kind: Kind) -> None:
    transport = await transport_of(clients, kind)
    await transport.send("2")
    assert await next_packets(transport) == ["3"]


@node_differs("answers without the data")
@pytest.mark.parametrize("kind", ASKING, ids=str)
async def test_the_data_of_a_ping_comes_back(clients: Clients, kind: Kind) -> None:
    """Node answers a bare ``3`` outside of a probe."""
    transport = await transport_of(clients, kind)
    await transport.send("2 still there? 🐝")
    assert await next_packets(transport) == ["3 still there? 🐝"]


@pytest.mark.parametrize("kind", [POLLING_3, WEBSOCKET_3], ids=str)
async def test_a_client_that_pings_stays_and_is_never_pinged(clients: Clients, kind: Kind) -> None:
    transport = await transport_of(clients, kind)
    opening, start = transport.opening, time.monotonic()
    while time.monotonic() - start < 2.5 * (opening.ping_interval_s + opening.ping_timeout_s):
        await asyncio.sleep(opening.ping_interval_s / 2)
        await transport.send("2")
        assert await next_packets(transport) == ["3"]


@pytest.mark.parametrize("kind", EVERY, ids=str)
async def test_a_silent_client_is_closed(clients: Clients, kind: Kind) -> None:
    transport = await transport_of(clients, kind)
    opening, start = transport.opening, time.monotonic()
    if kind.eio == 4:
        assert await next_packets(transport) == ["2"]
    if isinstance(transport, WebSocket):
        with pytest.raises(EOFError):
            await transport.packet()
    else:
        assert await next_packets(transport) in (["1"], ["6"]), "the pending poll is answered"
        assert (await transport.request("GET")).code == 1
    silence_s = time.monotonic() - start
    assert silence_s > (opening.ping_interval_s + opening.ping_timeout_s) * 0.8
    assert silence_s < 1.5


@pytest.mark.parametrize("kind", EVERY, ids=str)
async def test_a_heartbeat_in_the_wrong_direction_closes(clients: Clients, kind: Kind) -> None:
    transport = await transport_of(clients, kind)
    await transport.push("2" if kind.eio == 4 else "3")
    await transport.closed()


@pytest.mark.parametrize(
    "eio", [4, pytest.param(3, marks=node_differs("forgets the timeout in the upgrade"))]
)
async def test_a_client_that_falls_silent_after_an_upgrade_is_closed(clients: Clients, eio: int) -> None:
    """Node never closes such a client of Engine.IO 3."""
    client, _ = await clients.upgraded(eio)
    assert isinstance(client.transport, WebSocket)
    if eio == 4:
        assert await client.transport.packet() == "2"
    with pytest.raises(EOFError):
        await client.transport.packet()
