"""Who receives a message: ``only`` and ``except``, one token or a list."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClient, NodeClients
from tests.e2e.server import ServerProcess

NAMES = ("ann", "bob", "cy")


@dataclass(frozen=True)
class Room:
    """Three clients in one channel, each with a token of its own."""

    channel: str
    tokens: dict[str, str]
    clients: dict[str, NodeClient]


@pytest.fixture
async def room(clients: NodeClients, server: ServerProcess, backend: Backend, prefix: str) -> Room:
    channel = f"{prefix}room"
    tokens = {name: await backend.token(channel) for name in NAMES}
    opened = {name: await clients.connect(server.url) for name in NAMES}
    for name, client in opened.items():
        await client.show(tokens[name], channel)
        assert (await client.event())["type"] == "connected"
    return Room(channel, tokens, opened)


@pytest.mark.parametrize(
    ("fields", "receivers"),
    [
        ({}, ["ann", "bob", "cy"]),
        ({"only": "ann"}, ["ann"]),
        ({"only": ["ann", "cy"]}, ["ann", "cy"]),
        ({"only": ["ann", "nobody here"]}, ["ann"]),
        ({"only": "nobody here"}, []),
        ({"only": ["nobody here", "nor here"]}, []),
        ({"only": []}, []),
        ({"except": "ann"}, ["bob", "cy"]),
        ({"except": ["ann", "cy"]}, ["bob"]),
        ({"except": "nobody here"}, ["ann", "bob", "cy"]),
        ({"except": []}, ["ann", "bob", "cy"]),
    ],
    ids=str,
)
async def test_a_message_reaches_only_the_clients_that_it_names(
    room: Room, backend: Backend, fields: dict[str, Any], receivers: list[str]
) -> None:
    def as_token(name: str) -> str:
        return room.tokens.get(name, name)

    audience = {
        key: as_token(value) if isinstance(value, str) else [as_token(name) for name in value]
        for key, value in fields.items()
    }
    await backend.publish(room.channel, "news", **audience)
    await backend.publish(room.channel, "last")
    received = {name: [] for name in NAMES}  # type: dict[str, list[str]]
    for name, client in room.clients.items():
        while (message := await client.event())["type"] != "last":
            received[name].append(message["type"])
    assert received == {name: ["news"] if name in receivers else [] for name in NAMES}
