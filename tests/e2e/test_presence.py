"""Presence when a node is killed in the middle."""

import sys
import time
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from hornet.broker.nodes import MISSED_HEARTBEATS
from hornet.broker.settings import RedisSettings
from hornet.connector import AsyncConnector
from tests.conftest import Valkey
from tests.e2e.server import ServerProcess, free_port
from tests.e2e.waiting import eventually
from tests.flows import client as flows_client
from tests.flows.client import Client

HEARTBEAT_S = RedisSettings().node_heartbeat_s
DEAD_AFTER_S = (MISSED_HEARTBEATS + 1) * HEARTBEAT_S
"""Silence until a node counts as dead, and until another's heartbeat finds it so."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows_client, "WAIT_S", 3 * DEAD_AFTER_S)


async def test_the_members_of_a_killed_node_are_gone_within_seconds(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    nodes = [start(valkey) for _ in range(2)]
    try:
        async with AsyncExitStack() as stack, AsyncConnector(redis) as backend:

            async def enter(node: ServerProcess, member: str) -> Client:
                token = await backend.create_access_token(prefix)
                auth = {"token": token, "channels": [prefix], "member": member}
                return await stack.enter_async_context(Client(f"{node.url}/", auth, ""))

            watcher = await enter(nodes[0], "watcher")
            for node, member in (
                (nodes[0], "both"),
                (nodes[1], "both"),
                (nodes[1], "ann"),
                (nodes[1], "ben"),
            ):
                await enter(node, member)

            async def known() -> set[str]:
                answer = await watcher.ask("hornet:presence", {"channel": prefix})
                return {member["id"] for member in answer.get("members", ())}

            await eventually(known, {"watcher", "both", "ann", "ben"})
            nodes[1].process.kill()
            killed_at = time.monotonic()
            gone = set[str]()
            while gone != {"ann", "ben"}:
                message = await watcher.message()
                if message["type"] == "presence-quit":
                    gone |= {member["id"] for member in message["members"]}
            print(f"gone {time.monotonic() - killed_at:.1f} s after the node was killed")
            assert await known() == {"watcher", "both"}
    finally:
        for node in nodes:
            node.sweep()
            print(node.output)


def start(valkey: Valkey) -> ServerProcess:
    port = free_port()
    node = ServerProcess(program=(sys.executable, "-m", "tests.e2e.presence_node", valkey.url, str(port)))
    node.wait_for_output(f"Running on http://127.0.0.1:{port}", 20)
    return node
