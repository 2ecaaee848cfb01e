"""Turns of an address: so many at once, and no more; nothing is kept of an address that is quiet."""

import asyncio

import pytest

from hornet.flows.auth.address_turns import AddressTurns


async def test_an_address_waits_for_a_turn_and_no_other_waits_for_it() -> None:
    turns, release, running = AddressTurns(2), asyncio.Event(), list[str]()

    async def use(address: str) -> None:
        async with turns.of(address):
            running.append(address)
            await release.wait()

    tasks = [asyncio.create_task(use(address)) for address in ("192.0.2.1",) * 5 + ("192.0.2.2",)]
    tasks += [asyncio.create_task(use("127.0.0.1")) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted(running) == ["127.0.0.1"] * 5 + ["192.0.2.1"] * 2 + ["192.0.2.2"]
    assert len(turns) == 2
    release.set()
    await asyncio.gather(*tasks)
    assert len(turns) == 0


async def test_a_turn_that_is_not_waited_for_any_more_leaves_nothing_behind() -> None:
    turns = AddressTurns(1)
    async with turns.of("192.0.2.1"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), turns.of("192.0.2.1"):
                raise AssertionError("there is no second turn")
    assert len(turns) == 0
