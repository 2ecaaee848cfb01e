"""Costly requests of many sessions are spread over turns of the event loop, in their order."""

import asyncio
from itertools import pairwise

from hornet.flows.sessions.turns import TurnLimiter


async def test_each_turn_lets_so_many_through_in_the_order_in_which_they_came() -> None:
    limiter, done = TurnLimiter(3), list[int]()

    async def ask(number: int) -> None:
        await limiter.wait()
        done.append(number)

    tasks = [asyncio.create_task(ask(number)) for number in range(10)]
    sizes = [0]
    while len(done) < 10:
        await asyncio.sleep(0)
        sizes.append(len(done))
    assert done == list(range(10))
    assert max(after - before for before, after in pairwise(sizes)) == 3
    await asyncio.gather(*tasks)


async def test_a_caller_that_is_cancelled_takes_no_turn_from_the_next() -> None:
    limiter = TurnLimiter(1)
    first, cancelled, waiting = (asyncio.create_task(limiter.wait()) for _ in range(3))
    await first
    cancelled.cancel()
    await waiting
    assert cancelled.cancelled()
