"""One mark for many callers that wait for what was published."""

import asyncio

import pytest

from hornet.core.errors import RedisUnavailable
from hornet.flows.recovery.catching_up import CatchingUp


async def test_callers_share_a_wait_that_began_after_all_of_them() -> None:
    calls: asyncio.Queue[asyncio.Future[int]] = asyncio.Queue()

    def work() -> asyncio.Future[int]:
        call: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        calls.put_nowait(call)
        return call

    wait = CatchingUp(work).wait
    early = [asyncio.create_task(wait()) for _ in range(10)]
    first = await calls.get()
    late = [asyncio.create_task(wait()) for _ in range(10)]
    await asyncio.sleep(0)
    assert calls.empty()
    first.set_result(1)
    assert await asyncio.gather(*early) == [1] * 10
    (await calls.get()).set_result(2)
    assert await asyncio.gather(*late) == [2] * 10


async def test_every_caller_learns_of_a_failure() -> None:
    async def work() -> int:
        raise RedisUnavailable("gone")

    wait = CatchingUp(work).wait
    results = await asyncio.gather(*(wait() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RedisUnavailable] * 3
    with pytest.raises(RedisUnavailable):
        await wait()


async def test_a_caller_that_gives_up_does_not_end_the_wait_of_others() -> None:
    started = asyncio.Event()
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> int:
        started.set()
        return await done

    wait = CatchingUp(work).wait
    hasty, patient = asyncio.create_task(wait()), asyncio.create_task(wait())
    await started.wait()
    hasty.cancel()
    done.set_result(3)
    assert await patient == 3
