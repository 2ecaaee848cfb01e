"""Channels and publishing by events, with stock clients of every version, across two nodes."""

from collections.abc import AsyncIterator, Iterator

import pytest

from hornet.connector import AsyncConnector, sign_channel
from tests.conftest import Valkey
from tests.e2e.node_client import LATEST, VERSIONS, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually
from tests.flows.client import placed

SECRET = "a secret of the backend"


@pytest.fixture(scope="module")
def nodes(shared_valkey: Valkey) -> Iterator[list[ServerProcess]]:
    """Two nodes on one Redis that let clients into private channels, and into public ones."""
    options = (
        "--port",
        "0",
        "--redis",
        shared_valkey.url,
        "--channel-secrets",
        SECRET,
        "--public-channels",
        "*-public",
    )
    started = [ServerProcess(*options) for _ in range(2)]
    assert all(node.url for node in started)
    yield started
    for node in started:
        node.sweep()


@pytest.fixture
async def connector(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


async def subscribe(client: NodeClient, channel: str) -> None:
    """Do what a page does: have the backend sign for the id that the client sees."""
    shown = sign_channel(SECRET, (await client.state())["id"], channel)
    [answer] = await client.call("hornet:subscribe", shown)
    assert placed(answer) == {"ok": True, "channel": channel}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_private_channel_with_a_client_of_each_version(
    clients: NodeClients, nodes: list[ServerProcess], connector: AsyncConnector, prefix: str, version: str
) -> None:
    channel = f"private-{prefix}orders"
    here = await clients.connect(nodes[0].url, version=version)
    there = await clients.connect(nodes[1].url, version=LATEST)
    for client in (here, there):
        await subscribe(client, channel)
    assert await connector.publish(channel, "order", {"number": 7}) == 2
    for client in (here, there):
        assert await client.event() == {"type": "order", "number": 7, "channel": channel}
    [answer] = await here.call("hornet:unsubscribe", {"channel": channel})
    assert answer == {"ok": True, "channel": channel, "subscribed": False}

    async def publish() -> int:
        return await connector.publish(channel, "order", {"number": 8})

    await eventually(publish, 1)  # the client is answered before Redis is told
    [refused] = await here.call("hornet:subscribe", {"channel": channel})
    assert refused["error"]["code"] == "SIGNATURE_REQUIRED"


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_a_client_publishes_reaches_all_nodes_once(
    clients: NodeClients, nodes: list[ServerProcess], connector: AsyncConnector, prefix: str, version: str
) -> None:
    channel = f"{prefix}chat-public"
    opened = []
    for node, number in ((nodes[0], version), (nodes[0], LATEST), (nodes[1], LATEST)):
        client = await clients.connect(node.url, version=number)
        token = await connector.create_access_token(user="ana", publish=[channel])
        await client.emit("message", {"token": token, "channels": []})
        assert (await client.event())["type"] == "connected"
        [answer] = await client.call("hornet:subscribe", {"channel": channel})
        assert placed(answer) == {"ok": True, "channel": channel}
        opened.append(client)
    said = {"channel": channel, "type": "said", "message": {"text": "ahoj"}}
    for message in ({**said, "exclude_self": True}, {**said, "type": "last"}):
        [answer] = await opened[0].call("hornet:publish", message)
        assert placed(answer) == {"ok": True}
    body = {"text": "ahoj", "user": "ana", "channel": channel}
    assert await opened[0].event() == {"type": "last", **body}
    for client in opened[1:]:
        assert await client.event() == {"type": "said", **body}
        assert await client.event() == {"type": "last", **body}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_that_missed_messages_gets_them_before_newer_ones_on_either_node(
    clients: NodeClients, nodes: list[ServerProcess], connector: AsyncConnector, prefix: str, version: str
) -> None:
    channel = f"{prefix}news-public"
    here = await clients.connect(nodes[0].url, version=version)
    there = await clients.connect(nodes[1].url, version=version)
    for client in (here, there):
        token = await connector.create_access_token(user="ana", publish=[channel])
        await client.emit("message", {"token": token, "channels": []})
        assert (await client.event())["type"] == "connected"

    async def publish(number: int) -> str:
        [answer] = await here.call("hornet:publish", {"channel": channel, "type": str(number)})
        return str(answer["position"])

    since = await publish(0)
    for number in (1, 2, 3):
        await publish(number)
    [answer] = await there.call("hornet:subscribe", {"channel": channel, "since": since})
    assert (answer["recovered"], "position" in answer) == (True, True)
    [rewound] = await here.call("hornet:subscribe", {"channel": channel, "rewind": 2})
    assert rewound["ok"] is True
    await publish(4)
    assert [(await there.event())["type"] for _ in range(4)] == ["1", "2", "3", "4"]
    assert [(await here.event())["type"] for _ in range(3)] == ["2", "3", "4"]
    [page] = await there.call("hornet:history", {"channel": channel, "limit": 2, "order": "desc"})
    assert [message["type"] for message in page["messages"]] == ["4", "3"]
