"""A message that is too long is refused where it is published, and dropped where it comes from Redis."""

import json
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from hornet.config import Config
from hornet.connector import AsyncConnector, MessageTooLarge
from hornet.core import codes
from tests.flows.conftest import Running, StartNode

LIMIT = 1000


@pytest.fixture
async def running(start_node: StartNode) -> Running:
    return await start_node(max_message=LIMIT, public_patterns=True)


def message(length: int, **fields: object) -> str:
    """Return a message of ``length`` bytes of JSON."""
    text = json.dumps({"type": "long", **fields, "text": ""}, separators=(",", ":"))
    return json.dumps({"type": "long", **fields, "text": "x" * (length - len(text))}, separators=(",", ":"))


def dropped(running: Running) -> float:
    line = f'hornet_messages_dropped_total{{reason="{codes.TOO_LARGE}"}} '
    return float(running.node.metrics.render().decode().partition(line)[2].partition("\n")[0] or 0)


async def test_a_longer_message_from_redis_is_dropped_and_counted_on_every_kind_of_topic(
    running: Running, redis: Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await running.connect_with_token(f"{prefix}a", user=f"{prefix}ann")
    for pattern, subset in (({"key": prefix}, False), ({"key": "*"}, False)):
        assert (await client.ask("hornet:subscribe", {"pattern": pattern, "subset": subset}))["ok"]
    topics = (f"hornet:channel:{prefix}a", f"key:{prefix}")
    for topic in topics:
        assert await redis.publish(topic, message(LIMIT + 1)) > 0
    command = {"type": "notify", "event": "hi", "payload": "x" * LIMIT}
    assert await redis.publish(f"hornet:user:{prefix}ann", json.dumps(command)) == 1
    assert await redis.publish("socket.io#/#", b"x" * (LIMIT + 1)) == 1
    assert await redis.publish("socketio", b"x" * (LIMIT + 1)) == 1
    assert await redis.publish(topics[0], message(LIMIT)) == 1
    assert (await client.message())["type"] == "long"
    assert dropped(running) == 6, "the pattern's topic was heard by its name and by a glob"
    assert f"more than {LIMIT}" in caplog.text
    assert "xxx" not in caplog.text


async def test_a_message_on_the_topic_of_python_socketio_that_is_no_request_is_dropped_and_counted(
    running: Running, redis: Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await running.connect_with_token(f"{prefix}a")
    assert await redis.publish("socketio", json.dumps({"method": prefix})) > 0
    assert await redis.publish(f"hornet:channel:{prefix}a", message(100)) == 1
    assert (await client.message())["type"] == "long"
    line = f'hornet_messages_dropped_total{{reason="{codes.NOT_A_REQUEST}"}} 1.0'
    assert line in running.node.metrics.render().decode()
    assert "bytes on 'socketio'" in caplog.text
    assert prefix not in caplog.text


async def test_the_limit_follows_a_reload(running: Running, redis: Redis, prefix: str) -> None:
    client = await running.connect_with_token(f"{prefix}a")
    node = running.node
    channels = replace(node.config.channels, max_message_bytes=LIMIT + 1)
    node.reload(replace(node.config, channels=channels))
    assert await redis.publish(f"hornet:channel:{prefix}a", message(LIMIT + 1)) == 1
    assert (await client.message())["type"] == "long"


async def test_a_connector_refuses_it_before_anything_is_sent(running: Running, prefix: str) -> None:
    url = running.node.config.redis.redis
    async with AsyncConnector(url, max_message_bytes=LIMIT) as connector:
        for call in (
            connector.publish(f"{prefix}a", "long", {"text": "x" * LIMIT}),
            connector.notify("ann", "long", "x" * LIMIT),
            connector.publish_to_pattern({"key": prefix}, "x" * LIMIT),
        ):
            with pytest.raises(MessageTooLarge, match=f"more than {LIMIT}") as refused:
                await call
            assert isinstance(refused.value, ValueError)
            assert refused.value.code == codes.TOO_LARGE
    assert Config().channels.max_message_bytes > LIMIT
