"""The Redis commands about users that the documentation shows do what it says."""

import asyncio
import shlex
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.broker.conftest import own_redis, start_redis
from tests.broker.servers import RedisServer
from tests.docs.markdown import ROOT, blocks
from tests.e2e.waiting import DEADLINE_S
from tests.flows.conftest import Running, StartNode, start_node

__all__ = ["own_redis", "start_node", "start_redis"]

PAGES = (ROOT / "docs" / "howto" / "users.md", ROOT / "docs" / "reference" / "redis.md")


def commands(page: Path, holding: str) -> list[list[str]]:
    """The lines of the one block that holds the text."""
    [text] = [block.text for block in blocks(page, "redis") if holding in block.text]
    return [shlex.split(line) for line in text.splitlines()]


async def send(redis: Redis, page: Path, holding: str) -> None:
    for command in commands(page, holding):
        await redis.execute_command(*command)


@pytest.fixture
async def running(start_node: StartNode, own_redis: RedisServer) -> Running:
    return await start_node(redis=own_redis.url)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_a_user_is_notified_and_subscribed(
    running: Running, own_redis: RedisServer, page: Path
) -> None:
    client = await running.connect_with_token(user=42)
    async with Redis(port=own_redis.port, single_connection_client=True) as redis:
        await send(redis, page, "channels:42 team-7\nSADD")
        await asyncio.wait_for(_until_subscribed(running), DEADLINE_S)
        await redis.publish("hornet:channel:team-7", '{"type":"hello"}')
        assert await client.message() == {"type": "hello", "channel": "team-7"}
        await send(redis, page, '"notify"')
        assert await client.event() == ("order paid", {"order": 7})
        assert await running.node.user_queries.subscribed("team-7") == ["42"]


async def _until_subscribed(running: Running) -> None:
    joined = asyncio.Event()
    running.node.signals.joined.connect(lambda _session, _channel: joined.set())
    if not any(session.channels for session in running.node.sessions.all()):
        await joined.wait()
