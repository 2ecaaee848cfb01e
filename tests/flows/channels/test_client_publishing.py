"""Messages that clients publish, on whole nodes."""

from typing import Any

import pytest

from hornet.connector import AsyncConnector
from hornet.core.channels import MAX_PUBLISH_NAMES
from hornet.flows.settings import ChannelSettings
from tests.flows.client import Client, placed, refusal
from tests.flows.conftest import Running, StartNode

PUBLISH = "hornet:publish"


def hello(channel: str, **further: Any) -> dict[str, Any]:
    return {"channel": channel, "type": "hello", "message": {"text": "hi"}, **further}


@pytest.fixture
async def chat(running: Running, prefix: str) -> Client:
    """A client that may publish on channels with the test's prefix and ``chat``."""
    return await running.connect_with_token(f"{prefix}chat-1", user="ana", publish=[f"{prefix}chat-*"])


async def test_what_a_client_publishes_reaches_the_clients_of_every_node(
    start_node: StartNode, chat: Client, prefix: str
) -> None:
    other = await (await start_node()).connect_with_token(f"{prefix}chat-1")
    assert placed(await chat.ask(PUBLISH, hello(f"{prefix}chat-1"))) == {"ok": True}
    expected = {"type": "hello", "text": "hi", "user": "ana", "channel": f"{prefix}chat-1"}
    assert await chat.message() == expected
    assert await other.message() == expected


async def test_exclude_self_leaves_the_publishing_client_out(
    running: Running, chat: Client, prefix: str
) -> None:
    other = await running.connect_with_token(f"{prefix}chat-1")
    await chat.ask(PUBLISH, hello(f"{prefix}chat-1", exclude_self=True))
    await chat.ask(PUBLISH, hello(f"{prefix}chat-1", type="second"))
    assert (await chat.message())["type"] == "second"
    first = await other.message()
    assert first == {"type": "hello", "text": "hi", "user": "ana", "channel": f"{prefix}chat-1"}


async def test_only_granted_channels_can_be_published_on(running: Running, chat: Client, prefix: str) -> None:
    assert await refusal(chat, PUBLISH, hello(f"{prefix}news")) == "FORBIDDEN"
    assert await refusal(chat, PUBLISH, hello("hornet")) == "BAD_CHANNEL"
    guest = await running.connect_with_token(f"{prefix}chat-1")
    assert await refusal(guest, PUBLISH, hello(f"{prefix}chat-1")) == "FORBIDDEN"
    stranger = await running.connect()
    assert await refusal(stranger, PUBLISH, hello(f"{prefix}chat-1")) == "NOT_AUTHENTICATED"


async def test_publishing_faster_than_the_rate_is_refused(start_node: StartNode, prefix: str) -> None:
    running = await start_node(channels=ChannelSettings(max_publish_rate=1))
    client = await running.connect_with_token(f"{prefix}a", publish=["*"])
    codes = [(await client.ask(PUBLISH, hello(f"{prefix}b"))).get("error", {}).get("code") for _ in range(10)]
    assert codes[:2] == [None, None]
    assert "RATE_LIMITED" in codes


async def test_a_message_has_a_greatest_length(start_node: StartNode, prefix: str) -> None:
    running = await start_node(channels=ChannelSettings(max_publish_bytes=100))
    client = await running.connect_with_token(f"{prefix}a", publish=["*"])
    assert await refusal(client, PUBLISH, hello(f"{prefix}a", message={"text": "é" * 50})) == "TOO_LARGE"
    assert placed(await client.ask(PUBLISH, hello(f"{prefix}a"))) == {"ok": True}


async def test_a_session_may_publish_on_so_many_names_by_all_its_tokens(
    running: Running, prefix: str
) -> None:
    names = [f"{prefix}{number}-*" for number in range(MAX_PUBLISH_NAMES)]
    client = await running.connect_with_token(f"{prefix}a", publish=names)
    async with AsyncConnector(running.node.config.redis.redis) as backend:
        same = await backend.create_access_token(f"{prefix}b", publish=names[:10])
        more = await backend.create_access_token(f"{prefix}c", publish=["more"])
    assert (await client.ask("hornet:subscribe", {"channel": f"{prefix}b", "token": same}))["ok"]
    request = {"channel": f"{prefix}c", "token": more}
    assert await refusal(client, "hornet:subscribe", request) == "TOO_MANY_CHANNELS"
    assert placed(await client.ask(PUBLISH, hello(f"{prefix}999-x"))) == {"ok": True}
    assert await refusal(client, PUBLISH, hello("more")) == "FORBIDDEN"


async def test_a_grant_of_many_wildcards_is_built_once_and_matched_without_going_back(
    running: Running, prefix: str
) -> None:
    """A regular expression of these names takes longer than the universe is old."""
    names = [f"{prefix}{number}" + "*a" * 7 + "*b" for number in range(900)]
    client = await running.connect_with_token(f"{prefix}a", publish=names)
    publishable = running.session(client).publish
    for number in range(9):
        assert await refusal(client, PUBLISH, hello(f"{prefix}{number}" + "a" * 400)) == "FORBIDDEN"
    assert placed(await client.ask(PUBLISH, hello(f"{prefix}1" + "a" * 400 + "b"))) == {"ok": True}
    assert running.session(client).publish is publishable
