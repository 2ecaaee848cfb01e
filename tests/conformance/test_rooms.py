"""One message for a room of clients of every kind: each receives it intact, once and in order."""

import asyncio
import json
from typing import Any

import pytest

from tests.conformance.client import EVERY, MSGPACK, Client, Clients, Kind

MIXES = [
    pytest.param(EVERY, id="default parser"),
    pytest.param(
        [*EVERY, *MSGPACK],
        id="both parsers",
        marks=[pytest.mark.msgpack, pytest.mark.node_differs("one parser for all its clients")],
    ),
]
mixed = pytest.mark.parametrize("kinds", MIXES)

PAYLOADS: list[list[Any]] = [
    ["text", "é🐝\u2028", {"n": [1, None]}],
    ["binary", b"\x00\x01\xff\x04" * 50],
    [],
    ["several", b"", {"deep": [b"a", "b", b"\xff" * 1_000]}, "end"],
    ["text again"],
]


async def gather_in(clients: Clients, kinds: list[Kind], room: str) -> list[Client]:
    """A client of each kind, all joined to ``room``."""
    members = await asyncio.gather(*(clients.joined(kind) for kind in kinds))
    for member in members:
        assert await member.ask("join", room) == []
    return list(members)


@mixed
@pytest.mark.parametrize("sender", [0, 1, 2, -1])
async def test_a_room_of_every_kind_receives_text_and_binary(
    clients: Clients, kinds: list[Kind], sender: int
) -> None:
    members = await gather_in(clients, kinds, "mixed")
    for args in PAYLOADS:
        await members[sender].emit("say", "mixed", *args)
    for member in members:
        assert [await member.event() for _ in PAYLOADS] == [["said", *args] for args in PAYLOADS]
    await members[sender].emit("say", "mixed", "last")
    assert {(await member.event())[1] for member in members} == {"last"}, "nothing came twice"


@mixed
async def test_a_published_message_reaches_every_kind_as_json_text(
    clients: Clients, kinds: list[Kind]
) -> None:
    members = await gather_in(clients, kinds, "news")
    messages = [{"type": "news", "channel": "news", "text": f"é🐝\u2028 {i}"} for i in range(5)]
    for message in messages:
        await members[0].emit("publish", "news", message)
    for member in members:
        events = [await member.event() for _ in messages]
        assert [name for name, _ in events] == ["message"] * len(messages)
        assert [json.loads(text) for _, text in events] == messages


@mixed
async def test_others_hear_nothing(clients: Clients, kinds: list[Kind]) -> None:
    members = await gather_in(clients, kinds, "ours")
    strangers = await gather_in(clients, kinds, "theirs")
    await members[0].emit("say", "ours", b"secret")
    for member in members:
        assert await member.event() == ["said", b"secret"]
    for stranger in strangers:
        assert await stranger.ask("ask", 1) == [1]


@mixed
async def test_a_client_in_two_rooms_hears_both_in_order(clients: Clients, kinds: list[Kind]) -> None:
    members = await gather_in(clients, kinds, "a")
    for member in members:
        assert await member.ask("join", "b") == []
    for i in range(20):
        await members[0].emit("say", "ab"[i % 2], i)
    for member in members:
        assert [(await member.event())[1] for _ in range(20)] == list(range(20))


async def test_a_room_goes_on_when_members_leave(clients: Clients) -> None:
    members = await gather_in(clients, EVERY, "fading")
    while members:
        await members[0].emit("say", "fading", len(members))
        for member in members:
            assert await member.event() == ["said", len(members)]
        await members.pop().transport.push("41", "1")
