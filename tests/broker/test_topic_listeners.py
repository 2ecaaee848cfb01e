"""Topics of plug-ins: at start and later, beside Hornet's own receivers, and after an outage of Redis."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.broker.client import connect_subscriber, parse_url
from hornet.broker.subscriber import Subscriber
from hornet.broker.topic_listeners import TopicListeners
from hornet.broker.topic_router import TopicRouter
from hornet.core.errors import RefusedByRedis
from tests.broker.conftest import StartRedis, own_redis, start_redis
from tests.broker.servers import RedisServer
from tests.e2e.waiting import DEADLINE_S

__all__ = ["own_redis", "start_redis"]


class Bench:
    """A subscriber with its router and listeners, and what each receiver got."""

    def __init__(self, url: str) -> None:
        self.received: asyncio.Queue[tuple[str, str, bytes]] = asyncio.Queue()
        self.topics = TopicRouter()
        self.subscriber = Subscriber(
            connect=lambda attempt: connect_subscriber(parse_url(url), 5, attempt),
            receive=self.topics.receive,
            heartbeat_s=10,
        )
        self.listeners = TopicListeners(subscriber=self.subscriber, topics=self.topics)

    def put(self, name: str, topic: str, payload: bytes) -> None:
        self.received.put_nowait((name, topic, payload))

    def plug_in(self, topic: str, payload: bytes) -> None:
        self.put("plug-in", topic, payload)

    def second(self, topic: str, payload: bytes) -> None:
        self.put("second", topic, payload)

    def own(self, topic: str, payload: bytes) -> None:
        self.put("own", topic, payload)

    async def next(self) -> tuple[str, str, bytes]:
        return await asyncio.wait_for(self.received.get(), DEADLINE_S)


@pytest.fixture
async def bench(own_redis: RedisServer) -> AsyncIterator[Bench]:
    bench = Bench(own_redis.url)
    running = asyncio.create_task(bench.subscriber.run())
    yield bench
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def client(own_redis: RedisServer) -> AsyncIterator[Redis]:
    async with Redis(port=own_redis.port) as client:
        yield client


async def test_a_topic_is_heard_from_the_start_and_another_from_later(bench: Bench, client: Redis) -> None:
    first = bench.listeners.listen("orders", bench.plug_in)
    with pytest.raises(RuntimeError, match="does not run"):
        await first.wait()
    await bench.listeners.start()
    assert await client.publish("orders", b"\xff1") == 1
    assert await bench.next() == ("plug-in", "orders", b"\xff1")
    later = bench.listeners.listen("bills", bench.second)
    await later.wait()
    assert await client.publish("bills", "2") == 1
    assert await bench.next() == ("second", "bills", b"2")


async def test_a_listener_that_stopped_hears_nothing_and_redis_is_unsubscribed(
    bench: Bench, client: Redis
) -> None:
    await bench.listeners.start()
    first, second = (bench.listeners.listen("orders", receive) for receive in (bench.plug_in, bench.second))
    await first.wait()
    first.stop()
    first.stop()
    await client.publish("orders", "1")
    assert await bench.next() == ("second", "orders", b"1")
    second.stop()
    other = bench.listeners.listen("other", bench.second)
    await other.wait()  # Redis answers in order, so it has the UNSUBSCRIBE as well
    assert await client.publish("orders", "2") == 0
    assert bench.received.empty()


@pytest.mark.parametrize("is_named", [True, False])
async def test_hornet_goes_on_to_get_a_topic_that_it_wants_itself(
    bench: Bench, client: Redis, is_named: bool
) -> None:
    if is_named:
        bench.topics.on("hornet:own", bench.own)
    else:
        bench.topics.on_prefix("hornet:", bench.own)
    await bench.subscriber.subscribe("hornet:own")
    await bench.listeners.start()
    listener = bench.listeners.listen("hornet:own", bench.plug_in)
    await listener.wait()
    await client.publish("hornet:own", "1")
    assert [(await bench.next())[0] for _ in range(2)] == ["own", "plug-in"]
    bench.subscriber.unsubscribe("hornet:own")
    await client.publish("hornet:own", "2")
    assert (await bench.next())[0] == "plug-in"
    await bench.subscriber.subscribe("hornet:own")
    listener.stop()
    await client.publish("hornet:own", "3")
    assert await bench.next() == ("own", "hornet:own", b"3")


async def test_after_an_outage_the_topics_are_heard_again_and_the_connection_is_announced(
    bench: Bench, own_redis: RedisServer
) -> None:
    states: asyncio.Queue[bool] = asyncio.Queue()
    bench.subscriber.on_connection(states.put_nowait)
    bench.listeners.listen("orders", bench.plug_in)
    await bench.listeners.start()
    assert await asyncio.wait_for(states.get(), DEADLINE_S) is True
    own_redis.kill()
    assert await asyncio.wait_for(states.get(), DEADLINE_S) is False
    later = bench.listeners.listen("bills", bench.second)
    own_redis.start()
    assert await asyncio.wait_for(states.get(), DEADLINE_S) is True
    await later.wait()
    async with Redis(port=own_redis.port) as client:
        assert await client.publish("orders", "1") == 1
        assert await client.publish("bills", "2") == 1
    assert await bench.next() == ("plug-in", "orders", b"1")
    assert await bench.next() == ("second", "bills", b"2")
    assert states.empty()


async def test_a_receiver_that_fails_is_logged_and_the_next_is_called(
    bench: Bench, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(topic: str, payload: bytes) -> None:
        raise ZeroDivisionError("a bug of a plug-in")

    bench.listeners.listen("orders", fail)
    bench.listeners.listen("orders", bench.plug_in)
    await bench.listeners.start()
    with caplog.at_level(logging.ERROR):
        await client.publish("orders", "1")
        assert await bench.next() == ("plug-in", "orders", b"1")
    assert "a bug of a plug-in" in caplog.text


async def test_a_topic_that_redis_does_not_permit_is_refused(start_redis: StartRedis) -> None:
    server = start_redis()
    async with Redis(port=server.port) as client:
        await client.execute_command("ACL", "SETUSER", "default", "resetchannels", "&orders")
    bench = Bench(server.url)
    running = asyncio.create_task(bench.subscriber.run())
    try:
        await bench.listeners.start()
        await bench.listeners.listen("orders", bench.plug_in).wait()
        with pytest.raises(RefusedByRedis):
            await bench.listeners.listen("bills", bench.plug_in).wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_an_async_receiver_and_an_empty_topic_are_refused(bench: Bench) -> None:
    async def receive(topic: str, payload: bytes) -> None: ...

    with pytest.raises(TypeError, match="start a task"):
        bench.listeners.listen("orders", receive)
    for topic in ("", "\ud800"):
        with pytest.raises(ValueError, match="topic"):
            bench.listeners.listen(topic, bench.plug_in)


async def test_a_plug_in_gets_a_recorded_message_as_the_backend_published_it(
    bench: Bench, client: Redis
) -> None:
    bench.listeners.listen("orders", bench.plug_in)
    await bench.listeners.start()
    await client.publish("orders", '{"hornet:position":"e-2-1","type":"paid"}')
    assert await bench.next() == ("plug-in", "orders", b'{"type":"paid"}')
