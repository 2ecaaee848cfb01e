"""Clients of every version, parser and transport: side by side in one channel, sent away, and coming back."""

import json
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import VERSIONS, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.slow_proxy import slow_websockets
from tests.e2e.versions import MSGPACK_VERSIONS, TRANSPORTS, shown_at_connect, with_msgpack
from tests.e2e.waiting import eventually

MESSAGES = 200
BURST = 10
LAG_S = 0.2


@pytest.fixture
async def slow_url(server: ServerProcess) -> AsyncIterator[str]:
    """The server behind a network on which an upgrade takes its time."""
    async with slow_websockets(server.port, LAG_S) as url:
        yield url


async def numbers_until_last(client: NodeClient) -> list[int]:
    """The numbers that a client was sent, whichever form it asked for."""
    numbers: list[int] = []
    while (message := parse((await client.next("event")).args[0]))["type"] != "last":
        if message["type"] == "count":
            numbers.append(message["number"])
    return numbers


def parse(argument: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(argument) if isinstance(argument, str) else argument
    return message


async def test_all_of_a_mixed_room_receive_all_messages_in_order_and_once(
    clients: NodeClients, server: ServerProcess, slow_url: str, backend: Backend, prefix: str
) -> None:
    """Each version over each transport, by each parser and delivery; those that upgrade do so meanwhile."""
    channel = f"{prefix}mixed"
    room: dict[str, NodeClient] = {}
    for transport, version, delivery in product(TRANSPORTS, VERSIONS, ("message", "event")):
        url = slow_url if transport == "upgrade" else server.url
        for parser in ("default", "msgpack") if version in MSGPACK_VERSIONS else ("default",):
            shown = shown_at_connect(version, await backend.token(channel), channel, delivery=delivery)
            options = with_msgpack(version, shown) if parser == "msgpack" else {"version": version, **shown}
            client = await clients.open(url, transports=TRANSPORTS[transport], **options)
            room[f"{version} {parser} {transport} {delivery}"] = client
    for name, client in room.items():
        assert parse((await client.next("event")).args[0])["type"] == "connected", name

    for start in range(0, MESSAGES, BURST):
        async with backend.redis.pipeline(transaction=False) as burst:
            for number in range(start, start + BURST):
                burst.publish(f"hornet:channel:{channel}", json.dumps({"type": "count", "number": number}))
            assert await burst.execute() == [1] * BURST
    await backend.publish(channel, "last")

    for name, client in room.items():
        assert await numbers_until_last(client) == list(range(MESSAGES)), name
        assert client.seen("disconnect") == [], name
        if name.split()[2] == "upgrade":
            await client.next("upgrade")


async def test_a_client_sent_away_for_good_stays_away(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    transports: tuple[str, ...],
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    client = await clients.connect(server.url, version=version, transports=transports, reconnectionDelay=10)
    await client.show(token, channel)
    assert (await client.event())["type"] == "connected"
    await backend.disconnect_tokens(token)
    assert (await client.event())["error"] == "TOKEN_REVOKED"
    assert (await client.next("disconnect")).name == "io server disconnect"
    assert not (await client.state())["connected"]
    assert client.seen("reconnect_attempt") == []


async def test_a_client_that_lost_its_connection_comes_back_and_is_admitted_again(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    transports: tuple[str, ...],
) -> None:
    channel = f"{prefix}news"
    client = await clients.connect(server.url, version=version, transports=transports, reconnectionDelay=10)
    for round in range(2):
        await client.show(await backend.token(channel), channel)
        assert (await client.event())["type"] == "connected"
        assert await backend.publish(channel, "news", round=round) == 1
        assert await client.event() == {"type": "news", "channel": channel, "round": round}
        if round == 0:
            await client.cut()
            await client.next("disconnect")
            await client.next("reconnect_attempt")
            await client.next("connect")


async def test_a_client_that_leaves_is_gone_from_its_channels(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    transports: tuple[str, ...],
) -> None:
    channel = f"{prefix}news"
    client = await clients.connect(server.url, version=version, transports=transports)
    await client.show(await backend.token(channel), channel)
    assert (await client.event())["type"] == "connected"
    async with backend.redis.pubsub() as events:
        await events.subscribe("hornet:events:disconnect")
        await client.disconnect()
        assert (await client.next("disconnect")).name == "io client disconnect"
        async for event in events.listen():
            if event["type"] == "message" and channel.encode() in event["data"]:
                break
    await eventually(lambda: backend.listeners(channel), 0)
