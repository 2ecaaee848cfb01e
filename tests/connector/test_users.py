"""The methods of both Python connectors for users, against a real Valkey. The suite runs once for each."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import user_topic
from hornet.broker.users import UserStore
from hornet.core.backend_commands import DisconnectUser, Notify, parse_user_command
from tests.broker.servers import RedisServer
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.connector.shapes import Make, Shape
from tests.e2e.waiting import DEADLINE_S, eventually


@pytest.fixture(params=[False, True], ids=["bytes", "decoded"])
async def connector(request: pytest.FixtureRequest, make: Make, valkey: Valkey) -> AsyncIterator[Shape]:
    connector = make(valkey.url + ("?decode_responses=True" if request.param else ""))
    yield connector
    await connector.close()


async def test_a_notification_goes_to_the_topic_of_each_user(
    connector: Shape, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(user_topic(f"{prefix}ž"))
        await subscriber.subscribe(user_topic("7"))
        assert await connector.notify([f"{prefix}ž", 7, prefix], "order paid", {"n": 1}) == 2
        for user in (f"{prefix}ž", "7"):
            topic, payload = await heard.next_published()
            assert topic == f"hornet:user:{user}"
            assert parse_user_command(payload) == Notify("order paid", {"n": 1})
        assert await connector.disconnect_user(7) == 1
        assert parse_user_command((await heard.next_published())[1]) == DisconnectUser()


@pytest.mark.parametrize(
    ("users", "event", "payload"),
    [((), "a", None), ("", "a", None), ("u", "", None), ("u", "disconnect", None), ("u", "message", None),
     ("u", "hornet:x", None), ("u", "a", float("nan")), ("\ud800", "a", None)],
)  # fmt: skip
async def test_a_wrong_notification_is_refused(
    connector: Shape, users: Any, event: str, payload: Any
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await connector.notify(users, event, payload)


async def test_subscriptions_are_kept_listed_and_taken_back(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    assert await connector.user_channels(prefix) == []
    assert await connector.unsubscribe_user(prefix) == 0
    assert await connector.subscribe_user(prefix, ["b", "ž:{a}"]) == 2
    assert await connector.subscribe_user(prefix, "b") == 0
    assert await connector.user_channels(prefix) == ["b", "ž:{a}"]
    assert prefix.encode() in await redis.smembers("{hornet:users}:subscribed:ž:{a}")
    assert await connector.unsubscribe_user(prefix, ["b", "c"]) == 1
    assert await connector.unsubscribe_user(prefix) == 1
    assert not await redis.exists(f"{{hornet:users}}:channels:{prefix}")
    assert not await redis.sismember("{hornet:users}:subscribed:ž:{a}", prefix)


async def test_a_connector_tells_whether_a_user_is_online(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    node = UserStore(client=redis, node=f"node-{prefix}", grace_s=60, max_sessions=1)
    assert not await connector.is_online(prefix)
    await node.arrive(prefix, f"{prefix}s", "192.0.2.1")
    assert await connector.is_online(prefix)
    await node.depart(prefix, f"{prefix}s")
    assert await connector.is_online(prefix), "the grace period has begun"


async def test_a_backend_hears_the_events_that_it_names(make: Make, own_redis: RedisServer) -> None:
    connector = make(own_redis.url)
    async with Redis(port=own_redis.port) as redis:
        names = ["user:online", "user:authenticated", "client:typing", "user:gone", "connect"]
        events = connector.subscribe(names)
        first = asyncio.ensure_future(anext(events))

        async def subscribed() -> int:
            return sum(number for _, number in await redis.pubsub_numsub("hornet:events:user:gone"))

        await eventually(subscribed, 1)
        for name, body in (
            ("user:session", {"user": "7", "session": "s", "node": "n"}),
            ("user:online", {"user": "7"}),
            ("user:online", {"user": "7", "session": "s", "node": "n", "sessions": 1}),
            ("user:authenticated", {"session": "s", "user": None, "success": False}),
            ("client:typing", {"session": "s", "user": "7", "args": []}),
            ("client:typing", {"session": "s", "user": "7", "node": "n", "args": [1]}),
            ("client:other", {"session": "s", "user": "7", "node": "n", "args": [1]}),
            ("user:gone", {"user": "7"}),
            ("connect", {"token": "t", "channel": "c"}),
        ):
            await redis.publish(f"hornet:events:{name}", json.dumps(body))
        async with asyncio.timeout(DEADLINE_S):
            told = [await first, *[await anext(events) for _ in range(4)]]
        assert told == [
            ("user:online", {"user": "7", "session": "s", "node": "n", "sessions": 1}),
            ("user:authenticated", {"session": "s", "user": None, "success": False}),
            ("client:typing", {"session": "s", "user": "7", "node": "n", "args": [1]}),
            ("user:gone", {"user": "7"}),
            ("connect", {"token": "t", "channel": "c"}),
        ]
    await connector.close()


@pytest.mark.parametrize(
    "events", [(), "", "user:left", "client:", "client:hornet:x", ["connect", "nothing"]]
)
async def test_an_event_that_hornet_never_tells_is_refused(make: Make, valkey: Valkey, events: Any) -> None:
    connector = make(valkey.url)
    with pytest.raises(ValueError, match="user:online"):
        await anext(connector.subscribe(events))
    await connector.close()
