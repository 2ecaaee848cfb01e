"""Questions to all nodes, over a real Valkey."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from hornet.broker.client import connect_subscriber, parse_url
from hornet.broker.keys import ASK_TOPIC
from hornet.broker.nodes import Nodes
from hornet.broker.subscriber import Subscriber
from hornet.broker.survey import Survey
from hornet.core.errors import RedisUnavailable
from tests.broker.servers import RedisServer


@asynccontextmanager
async def node(server: RedisServer, timeout_s: float = 5) -> AsyncIterator[Survey]:
    """A living node that hears questions."""
    url = parse_url(server.url)
    async with Redis.from_url(server.url) as client:
        nodes = Nodes(client, heartbeat_s=60)

        def receive(topic: str, payload: bytes) -> None:
            asking.receive(topic, payload)

        subscriber = Subscriber(
            connect=lambda attempt: connect_subscriber(url, 5, attempt), receive=receive, heartbeat_s=10
        )
        asking = Survey(client=client, subscriber=subscriber, nodes=nodes, timeout_s=timeout_s)
        running = asyncio.create_task(subscriber.run())
        await asking.start()
        await nodes.join()
        try:
            yield asking
        finally:
            await asking.stop()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def echo(data: Mapping[str, Any]) -> Any:
    return data["say"]


async def test_every_living_node_answers(own_redis: RedisServer) -> None:
    async with node(own_redis) as one, node(own_redis) as two:
        one.on("echo", echo)
        two.on("echo", echo)
        found = await one.ask("echo", say=["ž", None])
        assert list(found.answers.values()) == [["ž", None]] * 2
        assert found.missing == ()
        answers = await asyncio.gather(*((one, two)[n % 2].ask("echo", say=n) for n in range(40)))
        assert [set(found.answers.values()) for found in answers] == [{n} for n in range(40)]


async def test_a_node_that_fails_is_missing_at_once(own_redis: RedisServer) -> None:
    async def fail(data: Mapping[str, Any]) -> Any:
        raise LookupError

    async with node(own_redis, timeout_s=60) as one, node(own_redis, timeout_s=60) as two:
        one.on("echo", echo)
        two.on("echo", fail)
        found = await one.ask("echo", say=1)
        assert list(found.answers.values()) == [1]
        assert len(found.missing) == 1


async def test_a_node_that_is_silent_is_missing_after_the_timeout(own_redis: RedisServer) -> None:
    async with node(own_redis, timeout_s=0.1) as one, Redis.from_url(own_redis.url) as redis:
        one.on("echo", echo)
        await redis.zadd("hornet:nodes", {"silent": 9e15})
        found = await one.ask("echo", say=1)
        assert found.missing == ("silent",)
        assert list(found.answers.values()) == [1]


async def test_a_survey_without_redis_fails(own_redis: RedisServer) -> None:
    async with node(own_redis) as one:
        own_redis.kill()
        with pytest.raises(RedisUnavailable):
            await one.ask("echo")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.binary(max_size=40)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["id", "node", "echo"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "node", "question", "data", "ok", "answer"]), inner)
        ),
        max_leaves=8,
    ).map(lambda value: repr(value).replace("'", '"').encode("utf-8", "replace"))
)
async def test_what_is_no_question_is_dropped_and_counted(payload: bytes) -> None:
    asking = Survey(
        client=Redis(),
        subscriber=None,  # type: ignore[arg-type]  # not used
        nodes=Nodes(Redis(), heartbeat_s=1),
        timeout_s=1,
    )
    for topic in asking.topics:
        before = asking.dropped
        asking.receive(topic, payload)
        assert asking.dropped == before + 1 or topic != ASK_TOPIC
