"""Commands of one moment share a round trip; each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hornet.broker.batches import MAX_BATCH, CommandBatcher
from hornet.broker.client import RedisUrl, connect
from hornet.core.errors import RedisUnavailable
from tests.conftest import Valkey
from tests.e2e.server import free_port


@pytest.fixture
async def batches(valkey: Valkey) -> AsyncIterator[CommandBatcher]:
    client = connect(RedisUrl(valkey.url), 5.0)
    yield CommandBatcher(client)
    await client.aclose()


async def test_each_command_gets_its_own_answer_also_beyond_one_batch(
    batches: CommandBatcher, prefix: str
) -> None:
    numbers = range(3 * MAX_BATCH + 1)
    answers = await asyncio.gather(*(batches.execute("INCRBY", f"{prefix}{n}", n) for n in numbers))
    assert answers == list(numbers)


async def test_commands_are_carried_out_in_order(batches: CommandBatcher, prefix: str) -> None:
    lengths = await asyncio.gather(*(batches.execute("RPUSH", prefix, n) for n in range(500)))
    assert lengths == list(range(1, 501))


async def test_a_refused_command_fails_alone(batches: CommandBatcher, prefix: str) -> None:
    await batches.execute("SET", prefix, "text")
    good, bad = (asyncio.ensure_future(batches.execute(command, prefix)) for command in ("GET", "INCR"))
    assert await good == b"text"
    with pytest.raises(RedisUnavailable, match="not an integer"):
        await bad


async def test_a_waiter_that_leaves_harms_no_other(batches: CommandBatcher, prefix: str) -> None:
    leaver = asyncio.create_task(batches.execute("SET", f"{prefix}a", 1))
    other = asyncio.create_task(batches.execute("SET", f"{prefix}b", 2))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await other
    assert await batches.execute("GET", f"{prefix}b") == b"2"


async def test_without_redis_each_waiter_is_told_and_the_next_is_tried_anew() -> None:
    client = connect(RedisUrl(f"redis://127.0.0.1:{free_port()}/0"), 1.0)
    batches = CommandBatcher(client)
    for _ in range(2):
        failures = await asyncio.gather(*(batches.execute("PING") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(failure, RedisUnavailable) for failure in failures)
    with pytest.raises(RedisUnavailable):
        await batches.execute("PING")
    await client.aclose()
