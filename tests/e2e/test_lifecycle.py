"""A session from the outside: what Redis sees of it, and how it ends when it shows no credential."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.conftest import StartServer
from tests.e2e.backend import Backend
from tests.e2e.node_client import POLLING, WEBSOCKET, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually


@pytest.fixture
async def events(redis: Redis, prefix: str) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    """What connectors hear of this test's sessions: the event's name and its object."""
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe("hornet:events:connect", "hornet:events:disconnect")

        async def heard() -> AsyncIterator[tuple[str, dict[str, Any]]]:
            async for message in pubsub.listen():
                if message["type"] == "message":
                    event = json.loads(message["data"])
                    if event["channel"].startswith(prefix):
                        yield message["channel"].decode().rpartition(":")[2], event

        yield heard()


async def admitted(clients: NodeClients, server: ServerProcess, token: str, *channels: str) -> NodeClient:
    client = await clients.connect(server.url)
    await client.show(token, *channels)
    assert (await client.event())["type"] == "connected"
    return client


async def test_a_node_listens_on_a_channel_only_while_a_client_is_in_it(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str
) -> None:
    channel = f"{prefix}news"
    assert await backend.listeners(channel) == 0
    first = await admitted(clients, server, await backend.token(channel), channel)
    assert await backend.listeners(channel) == 1
    second = await admitted(clients, server, await backend.token(channel), channel)
    assert await backend.listeners(channel) == 1
    await first.disconnect()
    await backend.publish(channel, "news")
    assert (await second.event())["type"] == "news"
    await second.cut()
    await eventually(lambda: backend.listeners(channel), 0)


async def test_connectors_hear_of_each_channel_of_a_session_that_comes_and_goes(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    events: AsyncIterator[tuple[str, dict[str, Any]]],
) -> None:
    channels = sorted([f"{prefix}a", f"{prefix}b"])
    token = await backend.token(*channels)
    client = await admitted(clients, server, token, *channels)
    came = [await anext(events), await anext(events)]
    assert sorted(came, key=str) == [("connect", {"token": token, "channel": name}) for name in channels]
    await client.disconnect()
    went = [await anext(events), await anext(events)]
    assert sorted(went, key=str) == [("disconnect", {"token": token, "channel": name}) for name in channels]


async def test_a_used_token_is_gone_and_a_refused_one_is_not(
    clients: NodeClients, server: ServerProcess, backend: Backend, redis: Redis, prefix: str
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    client = await clients.connect(server.url)
    await client.show(token, f"{prefix}other")
    assert (await client.event())["error"] == "WRONG_TOKEN_ASSOCIATION"
    assert await redis.exists(f"hornet:token:{token}") == 1
    await client.show(token, channel)
    assert (await client.event())["type"] == "connected"
    assert await redis.exists(f"hornet:token:{token}") == 0


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids=["polling", "websocket"])
async def test_a_session_without_credentials_is_told_why_and_closed(
    clients: NodeClients,
    start_server: StartServer,
    backend: Backend,
    prefix: str,
    transports: tuple[str, ...],
) -> None:
    server = start_server("--auth-timeout", "0.5")
    channel = f"{prefix}news"
    good = await admitted(clients, server, await backend.token(channel), channel)
    silent = await clients.connect(server.url, transports=transports)
    wrong = await clients.connect(server.url, transports=transports)
    await wrong.show("nosuchtoken", channel)
    assert (await wrong.event())["error"] == "INVALID_TOKEN"
    for client in (silent, wrong):
        answer = await client.event()
        assert answer.pop("errorMsg")
        assert answer == {"type": "error", "channel": "hornet", "error": "AUTHENTICATION_TIMEOUT"}
        assert (await client.next("disconnect")).name == "io server disconnect"
    await backend.publish(channel, "news")
    assert (await good.event())["type"] == "news", "a session with credentials outlives the timeout"


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "",
        '"text"',
        "[]",
        "null",
        '{"title": "no type"}',
        '{"type": 7}',
        '{"type": "news", "number": NaN}',
        '{"type": "news", "number": -Infinity}',
        '{"type": "news", "number": 1e999}',
        '{"type": "news", "nested": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "[" * 100_000,
        b'{"type": "news", "text": "\xff\xfe"}',
        '{"type": "news", "number": ' + "9" * 10_000 + "}",
    ],
    ids=lambda text: repr(text[:40]),
)
async def test_a_malformed_publish_affects_no_client(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, text: str | bytes
) -> None:
    channel = f"{prefix}news"
    client = await admitted(clients, server, await backend.token(channel), channel)
    await backend.publish_text(channel, text)
    await backend.publish(channel, "good")
    assert await client.event() == {"type": "good", "channel": channel}
    assert client.seen("disconnect") == []
