"""Messages while a client changes from polling to a WebSocket: all arrive, in order, once."""

import asyncio

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import UPGRADE, VERSIONS, NodeClients
from tests.e2e.server import ServerProcess

MESSAGES_AT_LEAST = 200
MESSAGES_AT_MOST = 20_000


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_of_messages_goes_on_across_the_upgrade(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, version: str
) -> None:
    channel = f"{prefix}stream"
    query = {"token": await backend.token(channel), "channel": channel}
    upgraded = asyncio.Event()

    async def publish_across_the_upgrade() -> int:
        after = number = 0
        while after < MESSAGES_AT_LEAST and number < MESSAGES_AT_MOST:
            await backend.publish(channel, "count", number=number)
            number += 1
            after += upgraded.is_set()
        await backend.publish(channel, "last")
        return number

    published = asyncio.create_task(publish_across_the_upgrade())
    client = await clients.open(server.url, version=version, transports=UPGRADE, query=query)
    await client.next("upgrade")
    upgraded.set()

    assert (await client.event())["type"] == "connected"
    numbers: list[int] = []
    while (message := await client.event())["type"] == "count":
        numbers.append(message["number"])
    assert numbers == list(range(numbers[0], await published))
