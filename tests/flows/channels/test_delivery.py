"""The receivers of a message: addressed messages, malformed publishes, revoked tokens."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


async def let_in(running: Running, backend: AsyncConnector, channel: str) -> tuple[Client, str]:
    token = await backend.create_access_token(channel)
    client = await running.connect()
    await client.show(token, channel)
    assert (await client.message())["type"] == "connected"
    return client, token


async def test_only_and_except_choose_by_token(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"
    (one, token1), (two, token2), (three, _) = [await let_in(running, backend, channel) for _ in range(3)]
    await backend.publish(channel, "only-one", options={"only": token1})
    await backend.publish(channel, "only-two", options={"only": [token2, "unknown"]})
    await backend.publish(channel, "not-one", options={"except": token1})
    await backend.publish(channel, "not-both", options={"except": [token1, token2]})
    await backend.publish(channel, "one-not-two", options={"only": [token1, token2], "except": token2})
    await backend.publish(channel, "nobody", options={"only": []})
    await backend.publish(channel, "unknown", options={"only": "unknown"})
    await backend.publish(channel, "end")

    async def until_end(client: Client) -> list[str]:
        types: list[str] = []
        while not types or types[-1] != "end":
            types.append((await client.message())["type"])
        return types

    assert await until_end(one) == ["only-one", "one-not-two", "end"]
    assert await until_end(two) == ["only-two", "not-one", "end"]
    assert await until_end(three) == ["not-one", "not-both", "end"]


async def test_only_reaches_a_token_only_in_the_channels_that_it_opened(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    _, elsewhere = await let_in(running, backend, f"{prefix}b")
    client, _ = await let_in(running, backend, f"{prefix}a")
    await backend.publish(f"{prefix}a", "x", options={"only": elsewhere})
    await backend.publish(f"{prefix}a", "end")
    assert (await client.message())["type"] == "end"


@pytest.mark.parametrize(
    "payload",
    [b"", b"nonsense", b"[]", b"{}", b'{"type":1}', b'{"type":"x","n":NaN}', b'{"type":"x","n":1e999}',
     b'{"type":"x","only":3}', b"\xff\xfe", b'{"type":"x","d":' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
    ids=lambda payload: payload[:24].decode("latin-1"),
)  # fmt: skip
async def test_a_malformed_publish_is_dropped_and_counted_and_the_next_one_arrives(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str, payload: bytes
) -> None:
    client, _ = await let_in(running, backend, f"{prefix}a")
    await redis.publish(f"hornet:channel:{prefix}a", payload)
    await backend.publish(f"{prefix}a", "good")
    assert (await client.message())["type"] == "good"
    counted = [
        line for line in running.node.metrics.render().decode().splitlines() if "dropped_total{" in line
    ]
    assert sum(float(line.split()[1]) for line in counted) == 1


async def test_a_lone_surrogate_is_delivered_to_both_kinds_of_sessions(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str
) -> None:
    channel = f"{prefix}a"
    classic, _ = await let_in(running, backend, channel)
    token = await backend.create_access_token(channel)
    event = await running.connect(auth={"token": token, "channels": channel, "delivery": "event"})
    assert (await event.event())[0] == "connected"
    await redis.publish(f"hornet:channel:{channel}", b'{"type":"x","text":"\\ud800"}')
    assert (await classic.message())["text"] == "\ud800"
    assert (await event.event())[1]["text"] == "\ud800"


async def test_disconnect_tokens_closes_on_every_node_and_kills_unused_tokens(
    start_node: StartNode, backend: AsyncConnector, redis: Redis, prefix: str
) -> None:
    channel = f"{prefix}a"
    nodes = [await start_node(), await start_node()]
    (one, token1), (two, token2) = [await let_in(node, backend, channel) for node in nodes]
    other, _ = await let_in(nodes[0], backend, channel)
    unused = await backend.create_access_token(channel)
    assert await backend.disconnect_tokens([token1, token2, unused]) >= 2
    for client in (one, two):
        assert (await client.message())["error"] == "TOKEN_REVOKED"
        await client.expect_closed()
    await eventually(lambda: redis.exists(f"hornet:token:{unused}"), 0)
    assert await backend.publish(channel, "rest") >= 1
    assert (await other.message())["type"] == "rest"


async def test_each_of_two_nodes_delivers_a_publish_once(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"
    nodes = [await start_node(), await start_node()]
    clients = [(await let_in(node, backend, channel))[0] for node in nodes * 3]
    for number in range(20):
        assert await backend.publish(channel, str(number)) == 2
    for client in clients:
        assert [(await client.message())["type"] for _ in range(20)] == [str(number) for number in range(20)]
