"""Clients that keep positions by themselves resume their last session, also after a reload of the page."""

import json
from typing import Any

import pytest
import socketio

from hornet.broker.keys import channel_topic
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.flows.recovery.publishing import recording


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    return start_server(), start_server()


async def admitted(
    clients: NodeClients, node: ServerProcess, **auth: object
) -> tuple[NodeClient, dict[str, Any]]:
    client = await clients.connect(node.url, reconnection=False, auth={"positions": True, **auth})
    return client, await client.event()


def resume(body: dict[str, Any], position: str) -> dict[str, Any]:
    """Return what a client sends that had ``position`` last, after the answer ``body``."""
    return {"session": body["session"], "position": position}


async def test_a_reloaded_page_gets_what_it_missed(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    backend: Backend,
    valkey: Valkey,
    prefix: str,
) -> None:
    channel = f"{prefix}news"
    client, answer = await admitted(clients, nodes[0], token=await backend.token(channel), channels=[channel])
    assert answer["type"] == "connected"
    async with recording(valkey.url) as recorder:
        await recorder.number(channel, 1)
        position = (await client.event())["position"]
        for first, node in ((2, nodes[0]), (4, nodes[1]), (6, nodes[0])):
            await client.cut()
            await client.next("disconnect")
            await recorder.number(channel, first, first + 1)
            client, body = await admitted(clients, node, resume=resume(answer, position))
            assert body["type"] == str(first)
            body = await client.event()
            assert body["type"] == str(first + 1)
            position = body["position"]
            answer = await client.event()
            assert (answer["type"], answer["recovered"]) == ("connected", True)


async def test_a_gap_names_the_channels_that_are_not_whole(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    backend: Backend,
    valkey: Valkey,
    prefix: str,
) -> None:
    recorded, plain = f"{prefix}recorded", f"{prefix}plain"
    client, answer = await admitted(
        clients, nodes[0], token=await backend.token(recorded, plain), channels=[recorded, plain]
    )
    async with recording(valkey.url) as recorder:
        await recorder.number(recorded, 1)
        position = (await client.event())["position"]
        nodes[0].kill()
        await client.next("disconnect")
        await recorder.plain(channel_topic(plain), {"type": "lost"})
        await recorder.number(recorded, 2)
    client, body = await admitted(clients, nodes[1], resume=resume(answer, position))
    assert body["type"] == "2"
    gap = await client.event()
    assert (gap["type"], gap["channels"], gap["reason"]) == ("gap", [plain], "plain_messages")
    answer = await client.event()
    assert (answer["type"], answer["recovered"]) == ("connected", False)
    await backend.publish(plain, "next")
    assert (await client.event())["type"] == "next"


async def test_an_unknown_session_needs_a_token(
    clients: NodeClients, nodes: tuple[ServerProcess, ServerProcess], backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    former = {"session": "A" * 40, "position": ""}
    _, body = await admitted(clients, nodes[0], resume=former, token="none", channels=[channel])
    assert body["error"] == "INVALID_TOKEN"
    token = await backend.token(channel)
    _, body = await admitted(clients, nodes[0], resume=former, token=token, channels=[channel])
    assert (body["type"], body["recovered"]) == ("connected", False)


async def test_the_python_client_resumes(
    nodes: tuple[ServerProcess, ServerProcess], backend: Backend, valkey: Valkey, prefix: str
) -> None:
    channel = f"{prefix}news"
    async with socketio.AsyncSimpleClient() as client:
        await client.connect(
            nodes[0].url,
            auth={"positions": True, "token": await backend.token(channel), "channels": [channel]},
        )
        answer = json.loads((await client.receive(timeout=30))[1])
        await client.client.eio.http.close()  # without a word: the network is lost
    async with recording(valkey.url) as recorder:
        await recorder.number(channel, 1)
    async with socketio.AsyncSimpleClient() as client:
        await client.connect(
            nodes[0].url, auth={"positions": True, "resume": resume(answer, answer["position"])}
        )
        assert json.loads((await client.receive(timeout=30))[1])["type"] == "1"
        assert json.loads((await client.receive(timeout=30))[1])["recovered"] is True
