"""Presence when a node is killed in the middle."""

import time
from contextlib import AsyncExitStack

from hornet.broker.nodes import MISSED_HEARTBEATS
from hornet.broker.settings import RedisSettings
from hornet.connector import sign_channel
from tests.conftest import StartServer
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually
from tests.flows.client import Client

SECRET = "a long random secret"
HEARTBEAT_S = RedisSettings().node_heartbeat_s
DEAD_AFTER_S = (MISSED_HEARTBEATS + 1) * HEARTBEAT_S
"""Silence until a node counts as dead, and until another's heartbeat finds it so."""


async def test_the_members_of_a_killed_node_are_gone_within_seconds(
    start_server: StartServer, prefix: str
) -> None:
    nodes = [start_server("--channel-secrets", SECRET) for _ in range(2)]
    channel = f"private-{prefix}"
    async with AsyncExitStack() as stack:

        async def enter(node: ServerProcess, member: str) -> Client:
            client = await stack.enter_async_context(Client(f"{node.url}/", None, ""))
            signed = sign_channel(SECRET, client.sid, channel, {"id": member})
            assert (await client.ask("hornet:subscribe", signed))["ok"] is True
            return client

        watcher = await enter(nodes[0], "watcher")
        for node, member in (
            (nodes[0], "both"),
            (nodes[1], "both"),
            (nodes[1], "ann"),
            (nodes[1], "ben"),
        ):
            await enter(node, member)

        async def known() -> set[str]:
            answer = await watcher.ask("hornet:presence", {"channel": channel})
            return {member["id"] for member in answer.get("members", ())}

        await eventually(known, {"watcher", "both", "ann", "ben"})
        nodes[1].kill()
        killed_at = time.monotonic()
        gone = set[str]()
        while gone != {"ann", "ben"}:
            message = await watcher.message()
            if message["type"] == "presence-quit":
                gone |= {member["id"] for member in message["members"]}
        print(f"gone {time.monotonic() - killed_at:.1f} s after the node was killed")
        assert await known() == {"watcher", "both"}
