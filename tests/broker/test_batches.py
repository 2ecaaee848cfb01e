"""Calls of one moment share a command; each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hornet.broker.batches import MAX_BATCH, Batches
from hornet.broker.client import RedisUrl, connect
from hornet.core.errors import RedisUnavailable
from tests.conftest import Valkey
from tests.e2e.server import free_port

SCRIPT = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"


@pytest.fixture
async def batches(valkey: Valkey) -> AsyncIterator[Batches]:
    client = connect(RedisUrl(valkey.url), 5.0)
    yield Batches(client, SCRIPT)
    await client.aclose()


async def test_each_call_gets_its_own_answer_also_beyond_one_batch(batches: Batches, prefix: str) -> None:
    numbers = range(3 * MAX_BATCH + 1)
    answers = await asyncio.gather(*(batches.call([f"{prefix}{n}"], ["INCRBY", str(n)]) for n in numbers))
    assert answers == list(numbers)


async def test_calls_are_carried_out_in_order(batches: Batches, prefix: str) -> None:
    lengths = await asyncio.gather(*(batches.call([prefix], ["RPUSH", str(n)]) for n in range(500)))
    assert lengths == list(range(1, 501))


async def test_a_refused_call_fails_alone(batches: Batches, prefix: str) -> None:
    await batches.call([prefix], ["SET", "text"])
    good, bad = (asyncio.ensure_future(batches.call([prefix], [command])) for command in ("GET", "INCR"))
    assert await good == b"text"
    with pytest.raises(RedisUnavailable, match="not an integer"):
        await bad


async def test_each_call_has_its_own_keys_and_arguments(valkey: Valkey) -> None:
    client = connect(RedisUrl(valkey.url), 5.0)
    batches = Batches(client, "return {#KEYS, #ARGV, unpack(ARGV)}")
    calls = [([f"{{k}}{n}" for n in range(size % 3)], ["x"] * size) for size in range(7)]
    answers = await asyncio.gather(*(batches.call(keys, arguments) for keys, arguments in calls))
    assert answers == [[len(keys), len(found), *[b"x"] * len(found)] for keys, found in calls]
    await client.aclose()


async def test_a_waiter_that_leaves_harms_no_other(batches: Batches, prefix: str) -> None:
    leaver = asyncio.create_task(batches.call([f"{prefix}a"], ["SET", "1"]))
    other = asyncio.create_task(batches.call([f"{prefix}b"], ["SET", "2"]))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await other
    assert await batches.call([f"{prefix}b"], ["GET"]) == b"2"


async def test_without_redis_each_waiter_is_told_and_the_next_is_tried_anew() -> None:
    client = connect(RedisUrl(f"redis://127.0.0.1:{free_port()}/0"), 1.0)
    batches = Batches(client, SCRIPT)
    for _ in range(2):
        failures = await asyncio.gather(
            *(batches.call(["key"], ["GET"]) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(failure, RedisUnavailable) for failure in failures)
    with pytest.raises(RedisUnavailable):
        await batches.call(["key"], ["GET"])
    await client.aclose()
