"""Hostile events: each gets a documented code, and the node goes on serving other clients."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from hornet.core.commands import Command, Context
from hornet.flows.settings import ChannelSettings, CommandSettings, LimitSettings, SessionSettings
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "socketio.md"

ROUNDS = 600

TEXTS = ("", "a", "hornet", "private-a", "*", "%3A", "\ud800", "\x00", "x" * 600, "é" * 300)
JSON_TEXTS = ('{"id":"7"}', '{"id":', "[]")
OBJECTS: tuple[Any, ...] = (
    *({}, {"a": "b"}, {"a": "*"}, {"": ""}, {"a": {"b": "c"}}, {"only": "a"}, {"type": 7}),
    {str(number): "x" for number in range(40)},
)
OTHERS: tuple[Any, ...] = (None, True, False, 0, -1, 7, 1.5, 10**400, [], ["a"], [[]], [None] * 50)
VALUES: tuple[Any, ...] = (*TEXTS, *JSON_TEXTS, *OBJECTS, *OTHERS)
FIELDS = ("channel", "pattern", "subset", "token", "signature", "presence", "type", "message", "name", "data")
OWN_EVENTS = ("hornet:subscribe", "hornet:unsubscribe", "hornet:publish", "hornet:presence", "hornet:command")
CLIENT_EVENT = "test-event"
EVENTS = (*OWN_EVENTS, CLIENT_EVENT, "message", "hornet:x", "")


def documented_codes() -> set[str]:
    return set(re.findall(r"`([A-Z][A-Z_]+)`", REFERENCE.read_text()))


def arguments(chance: random.Random, prefix: str) -> list[Any]:
    values = (*VALUES, f"{prefix}in", f"private-{prefix}", f"{prefix}public")
    if chance.random() < 0.2:
        return [chance.choice(values) for _ in range(chance.randrange(3))]
    fields = chance.sample(FIELDS, chance.randrange(1, 6))
    return [{field: chance.choice(values) for field in fields}]


async def echo(context: Context, data: Any) -> Any:
    return data


@pytest.fixture
async def node(start_node: StartNode, prefix: str) -> Running:
    channels = ChannelSettings(
        public_channels=(f"{prefix}public*",),
        channel_secrets=("a secret of the backend",),
        public_patterns=True,
    )
    sessions = SessionSettings(client_events=(CLIENT_EVENT,), publish_client_events=True)
    return await start_node(
        channels=channels,
        sessions=sessions,
        limits=LimitSettings(max_event_rate=1e6),
        commands=CommandSettings(max_command_rate=1e6),
        own_commands={"a": echo, "*": Command(echo, int)},
    )


@pytest.mark.parametrize("seed", range(4))
async def test_only_documented_codes_come_out(node: Running, prefix: str, seed: int) -> None:
    chance = random.Random(seed)
    witness = await node.connect_with_token(f"{prefix}in")
    client = await node.connect_with_token(f"{prefix}in", publish=["*"])
    codes: set[str] = set()
    for _ in range(ROUNDS):
        event = chance.choice(EVENTS)
        answer = await client.ask(event, *arguments(chance, prefix))
        if answer is not None and "error" in answer:
            codes.add(answer["error"]["code"])
    assert codes
    assert codes <= documented_codes()
    await _still_served(node, witness, prefix)


async def _still_served(node: Running, witness: Client, prefix: str) -> None:
    sender = await node.connect_with_token(f"{prefix}out", publish=["*"])
    sent = {"channel": f"{prefix}in", "type": "the end"}
    answer = await sender.ask("hornet:publish", sent)
    assert answer is not None
    assert answer["ok"] is True
    while (await witness.message())["type"] != "the end":
        pass
