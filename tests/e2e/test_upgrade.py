"""Messages while a client changes from polling to a WebSocket: all arrive, in order, once."""

import asyncio

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import UPGRADE, VERSIONS, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.slow_proxy import slow_websockets

LAG_S = 0.25
AFTER = 100
AT_MOST = 20_000
PACE_S = 0.002
"""Time between two messages. Without a pace, a busy machine does not keep up, and tests its own backlog."""


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_of_messages_goes_on_across_the_upgrade(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, version: str
) -> None:
    channel = f"{prefix}stream"
    query = {"token": await backend.token(channel), "channel": channel}
    upgraded = asyncio.Event()

    async def publish_across_the_upgrade() -> int:
        after = number = 0
        while after < AFTER and number < AT_MOST:
            await backend.publish(channel, "count", number=number)
            number += 1
            after += upgraded.is_set()
            await asyncio.sleep(PACE_S)
        await backend.publish(channel, "last")
        return number

    async with slow_websockets(server.port, LAG_S) as url:
        client = await clients.open(url, version=version, transports=UPGRADE, query=query)
        assert (await client.event())["type"] == "connected"
        published = asyncio.create_task(publish_across_the_upgrade())
        await client.next("upgrade")
        upgraded.set()

        numbers: list[int] = []
        while (message := await client.event())["type"] == "count":
            numbers.append(message["number"])
        assert numbers == list(range(await published))

        kinds = [report.kind for report in client.log]
        before, after = kinds[: kinds.index("upgrade")], kinds[kinds.index("upgrade") :]
        assert before.count("event") > 1, "the stream was under way before the upgrade"
        assert after.count("event") >= AFTER
        await client.disconnect()
