"""Events for backends: all arrive, in order, also when Redis was away meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hornet.broker import events as module
from hornet.broker.client import connect
from hornet.broker.events import EventPublisher
from hornet.broker.keys import EVENTS_CONNECT, EVENTS_DISCONNECT
from hornet.broker.url import RedisUrl
from tests.broker.servers import RedisServer, Wire
from tests.broker.test_subscriber import Heard, listening
from tests.e2e.waiting import DEADLINE_S, eventually


@asynccontextmanager
async def publishing(url: str, timeout_s: float = 1.0) -> AsyncIterator[EventPublisher]:
    """A publisher that runs; at the end its task is cancelled."""
    client = connect(RedisUrl(url), timeout_s)
    events = EventPublisher(client)
    task = asyncio.create_task(events.run())
    try:
        yield events
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


@asynccontextmanager
async def backend(url: str) -> AsyncIterator[Heard]:
    """A backend that listens to the events."""
    heard = Heard()
    async with listening(url, heard) as subscriber:
        await subscriber.subscribe(EVENTS_CONNECT)
        await subscriber.subscribe(EVENTS_DISCONNECT)
        yield heard


async def tokens_of(heard: Heard, count: int) -> list[str]:
    return [json.loads((await heard.next())[1])["token"] for _ in range(count)]


async def test_each_channel_is_one_event_in_the_order_of_what_happened(own_redis: RedisServer) -> None:
    async with backend(own_redis.url) as heard, publishing(own_redis.url) as events:
        events.tell_connect("t:1", ("a", "ž 🐎"))
        events.tell_disconnect("t:1", ("a",))
        events.tell_connect("t:2", ())
        assert [await heard.next() for _ in range(3)] == [
            (EVENTS_CONNECT, b'{"token":"t:1","channel":"a"}'),
            (EVENTS_CONNECT, '{"token":"t:1","channel":"ž 🐎"}'.encode()),
            (EVENTS_DISCONNECT, b'{"token":"t:1","channel":"a"}'),
        ]


async def test_thousands_of_events_go_in_few_round_trips_and_in_order(own_redis: RedisServer) -> None:
    async with (
        backend(own_redis.url) as heard,
        publishing(own_redis.url) as events,
        Redis(port=own_redis.port) as redis,
    ):
        names = [str(number) for number in range(5000)]
        for name in names:
            events.tell_connect(name, ("a",))
        assert await tokens_of(heard, 5000) == names
        assert (await redis.info("commandstats"))["cmdstat_publish"]["calls"] == 5000


async def test_events_wait_while_redis_is_away_and_come_in_order(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with publishing(own_redis.url) as events:
        own_redis.kill()
        for number in range(1200):
            events.tell_connect(str(number), ("a",))

        async def complaints() -> bool:
            return "1200 events wait" in caplog.text

        await eventually(complaints, True)
        own_redis.start()
        async with backend(own_redis.url) as heard:
            assert await tokens_of(heard, 1200) == [str(number) for number in range(1200)]
        assert events.dropped == 0


async def test_past_the_bound_the_oldest_go_and_are_counted(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1000)
    async with publishing(own_redis.url) as events:
        own_redis.kill()
        for number in range(600):
            events.tell_connect(str(number), ("a",))
            await asyncio.sleep(0)  # so that a batch is under way, and comes back
        events.tell_connect("more", (str(number) for number in range(700)))

        async def dropped() -> int:
            return events.dropped

        await eventually(dropped, 300)
        own_redis.start()
        async with backend(own_redis.url) as heard:
            got = await tokens_of(heard, 1000)
    assert got == [str(number) for number in range(300, 600)] + ["more"] * 700


async def test_flush_sends_what_waits_after_what_is_under_way(own_redis: RedisServer) -> None:
    """The first batch hangs on the wire while Hornet stops; the flush may not overtake it."""
    async with (
        backend(own_redis.url) as heard,
        Wire(own_redis.port, stall_at=b"PUBLISH") as wire,
        publishing(wire.url, timeout_s=5.0) as events,
    ):
        events.tell_connect("first", ("a",))
        await wire.stalled.wait()
        events.tell_disconnect("second", ("a",))
        flushing = asyncio.create_task(events.flush(5.0))
        await asyncio.sleep(0.1)
        assert heard.all == []
        wire.go_on()
        await flushing
        assert await tokens_of(heard, 2) == ["first", "second"]
        assert len(heard.all) == 2


async def test_a_batch_whose_sending_is_cancelled_waits_on(own_redis: RedisServer) -> None:
    async with backend(own_redis.url) as heard, Wire(own_redis.port, stall_at=b"PUBLISH") as wire:
        client = connect(RedisUrl(wire.url), 5.0)
        events = EventPublisher(client)
        task = asyncio.create_task(events.run())
        events.tell_connect("kept", ("a",))
        await wire.stalled.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        wire.go_on()
        await events.flush(5.0)
        await client.aclose()
        assert await tokens_of(heard, 1) == ["kept"]


async def test_a_flush_without_redis_gives_up_in_time_and_says_what_is_lost(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with publishing(own_redis.url, timeout_s=30.0) as events:
        own_redis.pause()
        events.tell_connect("lost", ("a", "b"))
        async with asyncio.timeout(DEADLINE_S):
            await events.flush(0.2)
        assert "Stopped with 2 events unsent" in caplog.text
        own_redis.resume()
