"""Channels to which the backend subscribes users: every session follows, on any node, in any race."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from hornet.flows.sessions.sessions import SubscribedBy
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.conftest import Running, StartNode


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


def channels_of(*nodes: Running, user: str) -> list[dict[str, SubscribedBy]]:
    return [dict(session.channels) for running in nodes for session in running.node.sessions.of_user(user)]


async def until_channels_are(wanted: list[set[str]], *nodes: Running, user: str) -> None:
    async def channels() -> list[set[str]]:
        return [set(one) for one in channels_of(*nodes, user=user)]

    await eventually(channels, wanted)


async def test_sessions_that_are_there_and_sessions_that_come_follow_their_user(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    one, other = await start_node(), await start_node()
    channel = f"{prefix}news"
    early = [await running.connect_with_token(user=prefix) for running in (one, one, other)]
    assert await backend.subscribe_user(prefix, channel) == 1
    await until_channels_are([{channel}] * 3, one, other, user=prefix)
    late = await other.connect_with_token(user=prefix)
    assert await backend.publish(channel, "hello") == 2
    for client in (*early, late):
        assert await client.message() == {"type": "hello", "channel": channel}
    assert await backend.unsubscribe_user(prefix) == 1
    await until_channels_are([set()] * 4, one, other, user=prefix)
    await eventually(lambda: backend.publish(channel, "nobody"), 0)


async def test_a_user_who_is_away_is_subscribed_when_it_comes(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    await backend.subscribe_user(prefix, [f"{prefix}a", f"{prefix}b"])
    client = await running.connect_with_token(user=prefix)
    await backend.publish([f"{prefix}a", f"{prefix}b"], "hello")
    assert [(await client.message())["channel"] for _ in "ab"] == [f"{prefix}a", f"{prefix}b"]


async def test_a_channel_of_the_token_stays_when_the_backend_takes_its_own_wish_back(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    channel = f"{prefix}a"
    await backend.subscribe_user(prefix, channel)
    await running.connect_with_token(channel, user=prefix)
    assert channels_of(running, user=prefix) == [{channel: SubscribedBy.CLIENT | SubscribedBy.BACKEND}]
    await backend.unsubscribe_user(prefix, channel)

    async def held() -> list[dict[str, SubscribedBy]]:
        return channels_of(running, user=prefix)

    await eventually(held, [{channel: SubscribedBy.CLIENT}])


async def test_a_subscription_that_races_with_an_arrival_is_never_missed(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    nodes = [await start_node(), await start_node()]
    for number in range(40):
        user, channel = f"{prefix}{number}", f"{prefix}c{number}"
        await asyncio.gather(
            nodes[number % 2].connect_with_token(user=user),
            backend.subscribe_user(user, channel),
        )
        await until_channels_are([{channel}], nodes[number % 2], user=user)


async def test_whatever_the_order_of_changes_every_session_ends_where_redis_says(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    nodes = [await start_node(), await start_node()]
    names = [f"{prefix}{name}" for name in "abcd"]

    async def change(offset: int) -> None:
        for number in range(offset, offset + 40):
            name = names[number * 7 % 4]
            if number % 3:
                await backend.subscribe_user(prefix, name)
            else:
                await backend.unsubscribe_user(prefix, name)

    arriving = [running.connect_with_token(user=prefix) for running in (*nodes, *nodes, *nodes)]
    await asyncio.gather(change(0), change(11), change(22), *arriving)
    await backend.unsubscribe_user(prefix, names[0])
    await backend.subscribe_user(prefix, names[1])
    final = set(await backend.user_channels(prefix))
    assert names[1] in final
    assert names[0] not in final
    await until_channels_are([final] * 6, *nodes, user=prefix)


async def test_a_change_while_a_node_was_disconnected_is_followed_when_it_is_back(
    running: Running, backend: AsyncConnector, redis: Redis, prefix: str
) -> None:
    await backend.subscribe_user(prefix, f"{prefix}old")
    await running.connect_with_token(user=prefix)
    # Without a word on the user's topic, as when nobody heard it.
    await redis.sadd(f"{{hornet:users}}:channels:{prefix}", f"{prefix}new")
    await redis.srem(f"{{hornet:users}}:channels:{prefix}", f"{prefix}old")
    await redis.client_kill_filter(_type="pubsub")
    await until_channels_are([{f"{prefix}new"}], running, user=prefix)


async def test_a_session_that_ends_leaves_nothing_held(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    held = running.node.subscriber.topics
    await backend.subscribe_user(prefix, [f"{prefix}a", f"{prefix}b"])
    clients = [await running.connect_with_token(f"{prefix}a", user=prefix) for _ in range(3)]
    assert running.node.subscriber.topics == held + 3
    for client in clients:
        await client.leave()
    await running.wait_until_empty()
    assert running.node.subscriber.topics == held
    assert running.node.sessions.with_user == 0


async def test_a_list_is_kept_in_both_directions(
    running: Running, backend: AsyncConnector, prefix: str
) -> None:
    directory = running.node.user_queries
    users = [f"{prefix}{number}" for number in range(3)]
    for user in users:
        assert await directory.subscribe(user, [f"{prefix}a", f"{prefix}b"]) == 2
    assert await directory.unsubscribe(users[0], f"{prefix}a") == 1
    assert await directory.subscribed(f"{prefix}a") == users[1:]
    assert await directory.channels(users[0]) == [f"{prefix}b"]
    assert await directory.unsubscribe_all(users[1]) == 2
    assert await directory.unsubscribe_all(users[1]) == 0
    assert await directory.subscribed(f"{prefix}b") == [users[0], users[2]]
    assert await backend.user_channels(users[2]) == [f"{prefix}a", f"{prefix}b"]
