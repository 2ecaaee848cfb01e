"""Members of presence whose connection was lost, and who come back: the others don't notice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from hornet.connector import sign_channel
from tests.conftest import StartServer
from tests.e2e.backend import Backend
from tests.e2e.balancer import Balancer, balancing
from tests.e2e.node_client import NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.test_recovery import admitted, message, port_of
from tests.flows.client import Client

SECRET = "a long random secret"


@pytest.fixture
def nodes(start_server: StartServer) -> tuple[ServerProcess, ServerProcess]:
    return start_server("--channel-secrets", SECRET), start_server("--channel-secrets", SECRET)


@pytest.fixture
async def balancer(nodes: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[Balancer]:
    async with balancing(port_of(nodes[0])) as started:
        yield started


async def become_member(client: NodeClient, channel: str, member: str) -> None:
    sid = (await client.state())["id"]
    answer, *_ = await client.call(
        "hornet:subscribe", sign_channel(SECRET, sid, channel, {"id": member, "info": 7})
    )
    assert answer["ok"] is True


async def enter(client: Client, channel: str, member: str) -> None:
    signed = sign_channel(SECRET, client.sid, channel, {"id": member})
    assert (await client.ask("hornet:subscribe", signed))["ok"] is True


async def change(watcher: Client) -> tuple[str, list[str]]:
    """Return the next change of members that the watcher is told."""
    while not (body := await watcher.message())["type"].startswith("presence-"):
        pass
    return body["type"], [member["id"] for member in body["members"]]


async def list_after_return(client: NodeClient) -> dict[str, Any]:
    await client.next("connect")
    while (body := await message(client))["type"] != "presence-list":
        pass
    return body


@pytest.mark.parametrize("place", ["same", "other"])
async def test_nobody_sees_a_member_that_comes_back(
    clients: NodeClients,
    nodes: tuple[ServerProcess, ServerProcess],
    balancer: Balancer,
    backend: Backend,
    prefix: str,
    place: str,
) -> None:
    news, channel = f"{prefix}news", f"private-{prefix}"
    ann = await admitted(clients, balancer, await backend.token(news), news)
    await become_member(ann, channel, "ann")
    async with Client(f"{nodes[1].url}/", None, "") as watcher, Client(f"{nodes[0].url}/", None, "") as zed:
        await enter(watcher, channel, "watcher")
        port, balancer.port = balancer.port, None
        await balancer.cut()
        await ann.next("disconnect")
        balancer.port = port if place == "same" else port_of(nodes[1])
        listed = await list_after_return(ann)
        assert {"id": "ann", "info": 7} in listed["members"]
        assert {"id": "watcher"} in listed["members"]
        assert (listed["channel"], listed["count"]) == (channel, 2)
        await enter(zed, channel, "zed")
        assert await change(watcher) == ("presence-add", ["zed"])
        assert (await message(ann))["members"] == [{"id": "zed"}]
        await ann.disconnect()
        assert await change(watcher) == ("presence-quit", ["ann"])


async def test_a_member_that_stays_away_quits_after_the_grace(
    clients: NodeClients, start_server: StartServer, backend: Backend, prefix: str
) -> None:
    node = start_server("--channel-secrets", SECRET, "--user-grace", "0.5")
    news, channel = f"{prefix}news", f"private-{prefix}"
    async with balancing(port_of(node)) as balancer, Client(f"{node.url}/", None, "") as watcher:
        ann = await admitted(clients, balancer, await backend.token(news), news)
        await enter(watcher, channel, "watcher")
        await become_member(ann, channel, "ann")
        assert await change(watcher) == ("presence-add", ["ann"])
        balancer.port = None
        await balancer.cut()
        assert await change(watcher) == ("presence-quit", ["ann"])
