"""One pid that many clients show at the same time: one comes back, and nothing is left of the others."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from hornet.broker.keys import channel_topic
from hornet.core.sessions import AuthState
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode
from tests.flows.recovery.publishing import recording

AT_ONCE = 6
TOGETHER = [1, 2]
STOCK, POSITIONS, WITHOUT_OFFSET = "stock", "positions", "without an offset"


async def let_in(node: Running, channel: str, kind: str) -> tuple[Client, dict[str, Any]]:
    """Let a client in; return it with the ``auth`` by which it comes back."""
    token = await node.create_token(channel)
    wish = {"positions": True} if kind == POSITIONS else {"recover": True}
    client = await node.connect(auth={**wish, "token": token, "channels": [channel]})
    text, *rest = json.loads((await client.packet())[2:])[1:]
    message = json.loads(text)
    assert message["type"] == "connected"
    if kind == POSITIONS:
        return client, {**wish, "resume": {name: message[name] for name in ("session", "position")}}
    offset = "" if kind == WITHOUT_OFFSET else rest[0]
    return client, {**wish, "pid": client.connected["pid"], "offset": offset}


def ready(nodes: Sequence[Running]) -> int:
    """Return how many sessions are in on all nodes together."""
    return sum(session.state is AuthState.READY for node in nodes for session in node.node.sessions.all())


@pytest.mark.parametrize("node_count", TOGETHER)
@pytest.mark.parametrize("kind", [STOCK, POSITIONS, WITHOUT_OFFSET])
async def test_one_pid_brings_back_one_session(
    start_node: StartNode, valkey: Valkey, prefix: str, kind: str, node_count: int
) -> None:
    nodes = [await start_node() for _ in range(node_count)]
    channel = f"{prefix}news"
    client, auth = await let_in(nodes[0], channel, kind)
    await client.leave()
    await nodes[0].wait_until_empty()
    comers = await asyncio.gather(*(nodes[at % node_count].connect(auth=auth) for at in range(AT_ONCE)))

    async def count() -> int:
        return ready(nodes)

    await eventually(count, 1)
    async with recording(valkey.url) as backend:
        await backend.record(channel_topic(channel), {"type": "once"})
    [winner] = [session for node in nodes for session in node.node.sessions.all() if session.channels]
    hearing = next(comer for comer in reversed(comers) if comer.sid == winner.sid)
    while '"once"' not in (text := await hearing.packet()).replace("\\", ""):
        assert text
    for comer in comers:
        await comer.leave()
    for node in nodes:
        await node.wait_until_empty()
