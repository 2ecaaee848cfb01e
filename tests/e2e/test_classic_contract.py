"""The classic contract as stock Socket.IO clients see it: every version, over every transport."""

import json
from typing import Any

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import VERSIONS, NodeClient, NodeClients
from tests.e2e.server import ServerProcess
from tests.e2e.versions import sends_auth, shown_at_connect

CONNECTED = '{"type":"connected","channel":"hornet","msg":"CONNECTED"}'
INVALID_TOKEN = (
    '{"type":"error","channel":"hornet","error":"INVALID_TOKEN",'
    '"errorMsg":"Invalid token used, please get a new token"}'
)
# An event of one of these names would not reach the page's listener but break the client itself.
RESERVED_TYPES = ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")


@pytest.fixture
def options(version: str, transports: tuple[str, ...]) -> dict[str, Any]:
    return {"version": version, "transports": transports}


async def messages_until(client: NodeClient, type: str) -> list[dict[str, Any]]:
    """All messages up to the one of that type, which a test publishes last and which is not returned."""
    messages: list[dict[str, Any]] = []
    while (message := await client.event())["type"] != type:
        messages.append(message)
    return messages


async def test_credentials_in_a_message_admit_the_client_and_a_publish_reaches_it_once(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    channel = f"{prefix}news:of:today"
    client = await clients.connect(server.url, **options)
    await client.show(await backend.token(channel), channel)
    assert (await client.next("event", "message")).args == (CONNECTED,)
    assert await backend.publish(channel, "news", title="Zürich 🐝", list=[1, None, {"a": "b"}]) == 1
    await backend.publish(channel, "last")
    assert await messages_until(client, "last") == [
        {"type": "news", "channel": channel, "title": "Zürich 🐝", "list": [1, None, {"a": "b"}]}
    ]


async def test_messages_keep_their_order(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    client = await clients.connect(server.url, **options)
    await client.show(await backend.token(f"{prefix}a", f"{prefix}b"), f"{prefix}a", f"{prefix}b")
    await client.event()
    for number in range(200):
        await backend.publish(f"{prefix}{'ab'[number % 2]}", "count", number=number)
    await backend.publish(f"{prefix}a", "last")
    assert [message["number"] for message in await messages_until(client, "last")] == list(range(200))


async def test_errors_leave_the_socket_open_for_another_attempt(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    channel = f"{prefix}news"
    token = await backend.token(channel)
    client = await clients.connect(server.url, **options)

    await client.show("nosuchtoken", channel)
    assert (await client.next("event", "message")).args == (INVALID_TOKEN,)

    await client.show(token, channel, f"{prefix}other")
    answer = json.loads((await client.next("event", "message")).args[0])
    assert answer.pop("errorMsg")
    assert answer == {
        "type": "error",
        "channel": "hornet",
        "error": "WRONG_TOKEN_ASSOCIATION",
        "channels": [f"{prefix}other"],
    }

    for wrong in (
        "not JSON",
        "[]",
        "null",
        json.dumps({"channels": [channel]}),
        json.dumps({"token": token}),
        json.dumps({"token": token, "channels": []}),
        json.dumps({"token": [token], "channels": [channel]}),
    ):
        await client.emit("message", wrong)
        answer = json.loads((await client.next("event", "message")).args[0])
        assert answer.pop("errorMsg"), wrong
        assert answer == {"type": "error", "channel": "hornet", "error": "WRONG_PARAMETERS"}, wrong

    await client.show(token, channel)
    assert (await client.next("event", "message")).args == (CONNECTED,)
    assert client.seen("disconnect") == []


async def test_credentials_are_taken_as_an_object_and_with_one_channel(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    channel = f"{prefix}news"
    client = await clients.connect(server.url, **options)
    await client.emit("message", {"token": await backend.token(channel), "channel": channel})
    assert (await client.next("event", "message")).args == (CONNECTED,)


@pytest.mark.parametrize("version", [version for version in VERSIONS if sends_auth(version)])
async def test_credentials_are_taken_from_the_auth_payload(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    channel = f"{prefix}news"
    auth = {"token": await backend.token(channel), "channels": [channel]}
    client = await clients.connect(server.url, auth=auth, **options)
    assert (await client.next("event", "message")).args == (CONNECTED,)
    await backend.publish(channel, "news")
    assert await client.event() == {"type": "news", "channel": channel}


async def test_credentials_are_taken_from_the_query(
    clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str, options: dict[str, Any]
) -> None:
    channel = f"{prefix}news"
    query = {"token": await backend.token(channel), "channel": channel}
    client = await clients.connect(server.url, query=query, **options)
    assert (await client.next("event", "message")).args == (CONNECTED,)
    await backend.publish(channel, "news")
    assert await client.event() == {"type": "news", "channel": channel}


async def test_event_delivery_raises_an_event_named_by_the_type(
    clients: NodeClients,
    server: ServerProcess,
    backend: Backend,
    prefix: str,
    version: str,
    options: dict[str, Any],
) -> None:
    channel = f"{prefix}news"
    shown = shown_at_connect(version, await backend.token(channel), channel, delivery="event")
    client = await clients.connect(server.url, listen=("news",), **shown, **options)
    await client.next("event")
    for type in (*RESERVED_TYPES, "news"):
        await backend.publish(channel, type, n=1)
    heard = await client.next("heard", "news")
    assert heard.args == ({"type": "news", "channel": channel, "n": 1},)
    objects = [report.args[0] for report in client.seen("event", "message")][-len(RESERVED_TYPES) :]
    assert objects == [{"type": type, "channel": channel, "n": 1} for type in RESERVED_TYPES]
    assert len(client.seen("connect")) == 1
    assert client.seen("disconnect") == []
