"""Commands and calls of scripts of one moment share a round trip; each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hornet.broker.batching import MAX_BATCH, CommandBatcher, ScriptBatcher
from hornet.broker.client import RedisUrl, connect
from hornet.core.errors import RedisUnavailable
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S

SCRIPT = "return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"


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


async def test_a_waiter_of_a_command_that_leaves_harms_no_other(batches: CommandBatcher, prefix: str) -> None:
    leaver = asyncio.create_task(batches.execute("SET", f"{prefix}a", 1))
    other = asyncio.create_task(batches.execute("SET", f"{prefix}b", 2))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await other
    assert await batches.execute("GET", f"{prefix}b") == b"2"


async def test_without_redis_each_command_waiter_is_told_and_the_next_is_tried_anew() -> None:
    client = connect(RedisUrl(f"redis://127.0.0.1:{free_port()}/0"), 1.0)
    batches = CommandBatcher(client)
    for _ in range(2):
        failures = await asyncio.gather(*(batches.execute("PING") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(failure, RedisUnavailable) for failure in failures)
    with pytest.raises(RedisUnavailable):
        await batches.execute("PING")
    await client.aclose()


@pytest.fixture
async def calls(valkey: Valkey) -> AsyncIterator[ScriptBatcher]:
    client = connect(RedisUrl(valkey.url), 5.0)
    yield ScriptBatcher(client, SCRIPT)
    await client.aclose()


async def test_each_call_gets_its_own_answer_also_beyond_one_batch(calls: ScriptBatcher, prefix: str) -> None:
    numbers = range(3 * MAX_BATCH + 1)
    answers = await asyncio.gather(*(calls.execute([f"{prefix}{n}"], ["INCRBY", str(n)]) for n in numbers))
    assert answers == list(numbers)


async def test_calls_are_carried_out_in_order(calls: ScriptBatcher, prefix: str) -> None:
    lengths = await asyncio.gather(*(calls.execute([prefix], ["RPUSH", str(n)]) for n in range(500)))
    assert lengths == list(range(1, 501))


async def test_a_refused_call_fails_alone(calls: ScriptBatcher, prefix: str) -> None:
    await calls.execute([prefix], ["SET", "text"])
    good, bad = (asyncio.ensure_future(calls.execute([prefix], [command])) for command in ("GET", "INCR"))
    assert await good == b"text"
    with pytest.raises(RedisUnavailable, match="not an integer"):
        await bad


async def test_each_call_has_its_own_keys_and_arguments(valkey: Valkey) -> None:
    client = connect(RedisUrl(valkey.url), 5.0)
    calls = ScriptBatcher(client, "return {#KEYS, #ARGV, unpack(ARGV)}")
    asked = [([f"{{k}}{n}" for n in range(size % 3)], ["x"] * size) for size in range(7)]
    answers = await asyncio.gather(*(calls.execute(keys, arguments) for keys, arguments in asked))
    assert answers == [[len(keys), len(found), *[b"x"] * len(found)] for keys, found in asked]
    await client.aclose()


async def test_a_waiter_of_a_call_that_leaves_harms_no_other(calls: ScriptBatcher, prefix: str) -> None:
    leaver = asyncio.create_task(calls.execute([f"{prefix}a"], ["SET", "1"]))
    other = asyncio.create_task(calls.execute([f"{prefix}b"], ["SET", "2"]))
    await asyncio.sleep(0)
    leaver.cancel()
    assert await other
    assert await calls.execute([f"{prefix}b"], ["GET"]) == b"2"


async def test_without_redis_each_call_waiter_is_told_and_the_next_is_tried_anew() -> None:
    client = connect(RedisUrl(f"redis://127.0.0.1:{free_port()}/0"), 1.0)
    calls = ScriptBatcher(client, SCRIPT)
    for _ in range(2):
        failures = await asyncio.gather(
            *(calls.execute(["key"], ["GET"]) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(failure, RedisUnavailable) for failure in failures)
    with pytest.raises(RedisUnavailable):
        await calls.execute(["key"], ["GET"])
    await client.aclose()


async def test_a_batch_that_cannot_be_sent_fails_for_its_callers_and_the_next_is_sent(
    calls: ScriptBatcher, prefix: str
) -> None:
    unfit: list[Any] = [b"JSON can't carry bytes"]
    failures = await asyncio.wait_for(
        asyncio.gather(
            calls.execute([prefix], unfit), calls.execute([prefix], ["INCR"]), return_exceptions=True
        ),
        DEADLINE_S,
    )
    assert [type(failure) for failure in failures] == [RedisUnavailable] * 2
    assert await calls.execute([prefix], ["INCR"]) == 1
