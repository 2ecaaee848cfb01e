"""Several nodes on one Valkey act as one server."""

import asyncio

import pytest

from tests.conftest import StartServer
from tests.e2e.backend import Backend
from tests.e2e.node_client import POLLING, UPGRADE, WEBSOCKET, NodeClient, NodeClients
from tests.e2e.server import ServerProcess


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    return start_server(), start_server()


async def admitted(
    clients: NodeClients,
    node: ServerProcess,
    token: str,
    channel: str,
    transports: tuple[str, ...] = UPGRADE,
) -> NodeClient:
    client = await clients.connect(node.url, transports=transports, reconnectionDelay=50)
    await client.show(token, channel)
    assert (await client.event())["type"] == "connected"
    return client


async def test_each_publish_reaches_each_client_once_wherever_it_is(
    clients: NodeClients, nodes: tuple[ServerProcess, ServerProcess], backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    everyone = [
        await admitted(clients, node, await backend.token(channel), channel) for node in (*nodes, *nodes)
    ]
    for number in range(50):
        assert await backend.publish(channel, "count", number=number) == len(nodes)
    await backend.publish(channel, "last")
    for client in everyone:
        numbers: list[int] = []
        while (message := await client.event())["type"] == "count":
            numbers.append(message["number"])
        assert numbers == list(range(50))


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
async def test_disconnect_tokens_ends_their_sessions_on_every_node_for_good(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
) -> None:
    channel = f"{prefix}news"
    tokens = [await backend.token(channel) for _ in nodes]
    leaving = [
        await admitted(clients, node, token, channel, transports)
        for node, token in zip(nodes, tokens, strict=True)
    ]
    staying = [await admitted(clients, node, await backend.token(channel), channel) for node in nodes]

    await backend.disconnect_tokens(*tokens)

    for client in leaving:
        assert (await client.next("disconnect")).name == "io server disconnect"
        assert not (await client.state())["active"], "a stock client must not try to come back"
    assert await backend.publish(channel, "news") == len(nodes)
    for client in staying:
        assert await client.event() == {"type": "news", "channel": channel}
    for client in leaving:
        assert client.seen("reconnect_attempt") == []
        assert "news" not in str(client.seen("event"))


async def test_disconnect_tokens_kills_an_unused_token(
    clients: NodeClients, nodes: tuple[ServerProcess, ServerProcess], backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    used, unused = await backend.token(channel), await backend.token(channel)
    client = await admitted(clients, nodes[0], used, channel)
    # Tokens are carried out together, so once this client is out the unused one is dead as well.
    await backend.disconnect_tokens(unused, used)
    await client.next("disconnect")
    late = await clients.connect(nodes[1].url)
    await late.show(unused, channel)
    assert (await late.event())["error"] == "INVALID_TOKEN"


async def test_a_token_raced_by_fifty_clients_admits_one(
    clients: NodeClients, nodes: tuple[ServerProcess, ServerProcess], backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    racers = [await clients.connect(nodes[n % 2].url, transports=("websocket",)) for n in range(50)]

    await asyncio.gather(*(racer.show(token, channel) for racer in racers))

    answers = [await racer.event() for racer in racers]
    winners = [racer for racer, answer in zip(racers, answers, strict=True) if answer["type"] == "connected"]
    assert len(winners) == 1
    assert [answer.get("error") for answer in answers].count("INVALID_TOKEN") == 49
    assert await backend.publish(channel, "news") == 1, "one node has a client in the channel"
    assert (await winners[0].event())["type"] == "news"
