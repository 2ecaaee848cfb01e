"""Clients with the MessagePack parser beside those without, on one server without any setting for that."""

from typing import Any

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.versions import MSGPACK_VERSIONS, shown_at_connect, with_msgpack


@pytest.fixture(params=MSGPACK_VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_credentials_in_a_message_admit_the_client_and_a_publish_reaches_it(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    transports: tuple[str, ...],
) -> None:
    channel = f"{prefix}news"
    client = await clients.connect(server.url, transports=transports, **with_msgpack(version, {}))
    await client.show("nosuchtoken", channel)
    assert (await client.event())["error"] == "INVALID_TOKEN"
    await client.show(await backend.token(channel), channel)
    assert (await client.event())["type"] == "connected"
    await backend.publish(channel, "news", title="Zürich 🐝")
    assert await client.event() == {"type": "news", "channel": channel, "title": "Zürich 🐝"}


@pytest.mark.parametrize("delivery", ["message", "event"])
async def test_messages_of_a_channel_come_in_the_form_asked_for(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    transports: tuple[str, ...],
    delivery: str,
) -> None:
    def name_of(type: str) -> str:
        return type if delivery == "event" else "message"

    channel = f"{prefix}news"
    shown = shown_at_connect(version, await backend.token(channel), channel, delivery=delivery)
    client = await clients.connect(server.url, transports=transports, **with_msgpack(version, shown))
    assert (await client.event(name_of("connected")))["type"] == "connected"
    contents: dict[str, Any] = {
        "text": "Zürich 🐝 " * 100,
        "numbers": [0, -1, 1.5, 2**31, 2**40, -(2**40), 1e300, 2**70, -(2**70)],
        "nested": {"": [None, True, False, {}, []]},
    }
    await backend.publish(channel, "news", **contents)
    assert await client.event(name_of("news")) == {"type": "news", "channel": channel, **contents}
    assert client.seen("disconnect") == []
