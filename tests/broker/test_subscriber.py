"""The subscription connection, against a Valkey that is killed, paused and restarted."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TypeVarTuple

import pytest
from redis.asyncio import Redis

from hornet.broker.client import connect_subscriber
from hornet.broker.subscriber import Holding, Subscriber
from hornet.broker.url import RedisUrl
from hornet.core.errors import RedisUnavailable, RefusedByRedis
from hornet.core.history import split_stamp
from tests.broker.servers import RedisServer, Wire
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S, eventually

Ts = TypeVarTuple("Ts")


class Heard:
    """A ``receive`` that keeps all, and lets a test wait for the next one."""

    def __init__(self) -> None:
        self.all: list[tuple[str, bytes]] = []
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def match(self, glob: str, topic: str, payload: bytes) -> None:
        self(f"{glob} {topic}", payload)

    def __call__(self, topic: str, payload: bytes) -> None:
        self.all.append((topic, payload))
        self._queue.put_nowait((topic, payload))

    async def next(self) -> tuple[str, bytes]:
        async with asyncio.timeout(DEADLINE_S):
            return await self._queue.get()

    async def next_published(self) -> tuple[str, bytes]:
        """Return the next topic, and what was published there, without its position."""
        topic, payload = await self.next()
        return topic, split_stamp(payload)[1]


@asynccontextmanager
async def listening(
    url: str, heard: Heard | None = None, *, heartbeat_s: float = 10.0, timeout_s: float = 2.0
) -> AsyncIterator[Subscriber]:
    """A subscriber that runs; that it still does is checked at the end."""
    heard = heard or Heard()
    subscriber = Subscriber(
        connect=lambda attempt: connect_subscriber(RedisUrl(url), timeout_s, attempt),
        receive=heard,
        receive_match=heard.match,
        heartbeat_s=heartbeat_s,
    )
    task = asyncio.create_task(subscriber.run())
    try:
        yield subscriber
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def subscribers(redis: Redis, topic: str) -> int:
    [(_, number)] = await redis.pubsub_numsub(topic)
    return int(number)


async def wait_lost(subscriber: Subscriber) -> None:
    await eventually(lambda: answer(subscriber.is_connected), False)


async def answer(value: bool) -> bool:
    return value


async def within(seconds: float, task: "asyncio.Future[None]") -> bool:
    """Whether ``task`` ends in that time; it goes on if not."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)


async def test_what_is_published_is_received_in_order_and_byte_for_byte(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    heard = Heard()
    payloads = [
        b"",
        b"\x00\xff\r\n",
        "žluťoučký 🐎".encode(),
        b"x" * 1_000_000,
        *(b"%d" % n for n in range(200)),
    ]
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        for payload in payloads:
            assert await redis.publish(prefix, payload) == 1
        assert [await heard.next() for _ in payloads] == [(prefix, payload) for payload in payloads]


@pytest.mark.parametrize(
    "name", ["a:b::c", "with space", "tab\tnew\nline\r\n", "žluť🐎", "*", "x" * 512, "\x00"]
)
async def test_a_topic_may_have_any_name(valkey: Valkey, redis: Redis, prefix: str, name: str) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix + name)
        await redis.publish(prefix + "other", b"not for us")
        assert await redis.publish(prefix + name, b"hi") == 1
        assert await heard.next() == (prefix + name, b"hi")


async def test_a_topic_that_utf8_can_not_carry_is_refused_and_not_held(valkey: Valkey, prefix: str) -> None:
    async with listening(valkey.url) as subscriber:
        with pytest.raises(ValueError, match="surrogates"):
            await subscriber.subscribe("\ud800")
        assert subscriber.topics == 0
        await subscriber.subscribe(prefix)


async def test_only_the_last_release_unsubscribes(valkey: Valkey, redis: Redis, prefix: str) -> None:
    async with listening(valkey.url) as subscriber:
        await asyncio.gather(*(subscriber.subscribe(prefix) for _ in range(3)))
        await subscriber.subscribe(prefix)
        for _ in range(3):
            subscriber.unsubscribe(prefix)
        await subscriber.subscribe(prefix + "after")  # confirmed behind whatever the releases caused
        assert await subscribers(redis, prefix) == 1
        subscriber.unsubscribe(prefix)
        await eventually(lambda: subscribers(redis, prefix), 0)
        assert subscriber.topics == 1


async def test_a_hold_is_not_confirmed_by_the_subscription_of_one_before_it(
    own_redis: RedisServer, prefix: str
) -> None:
    """SUBSCRIBE, UNSUBSCRIBE and SUBSCRIBE are under way; only the first has arrived."""
    async with (
        Wire(own_redis.port, stall_at=b"*2\r\n$11\r\nUNSUBSCRIBE") as wire,
        listening(wire.url) as subscriber,
        Redis(port=own_redis.port) as redis,
    ):
        await subscriber.wait_connected()
        first = asyncio.ensure_future(subscriber.subscribe(prefix))
        await asyncio.sleep(0)
        subscriber.unsubscribe(prefix)
        second = asyncio.ensure_future(subscriber.subscribe(prefix))
        await wire.stalled.wait()
        await first
        assert not await within(0.2, second)
        wire.go_on()
        await second
        assert await subscribers(redis, prefix) == 1


async def test_subscribing_and_unsubscribing_without_pause_ends_as_wanted(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        for number in range(500):
            await subscriber.subscribe(prefix)
            subscriber.unsubscribe(prefix)
            await subscriber.subscribe(prefix)
            assert await redis.publish(prefix, b"%d" % number) == 1
            assert await heard.next() == (prefix, b"%d" % number)
            subscriber.unsubscribe(prefix)
        await eventually(lambda: subscribers(redis, prefix), 0)


async def test_a_cancelled_subscription_counts_until_it_is_released(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    async with listening(valkey.url) as subscriber:
        await subscriber.wait_connected()
        cancelled = asyncio.ensure_future(subscriber.subscribe(prefix))
        await asyncio.sleep(0)
        other = asyncio.ensure_future(subscriber.subscribe(prefix))
        cancelled.cancel()
        await other
        assert cancelled.cancelled()
        subscriber.unsubscribe(prefix)
        assert subscriber.topics == 1
        subscriber.unsubscribe(prefix)
        assert subscriber.topics == 0
        await eventually(lambda: subscribers(redis, prefix), 0)


async def test_a_subscriber_without_topics_is_connected_as_soon_as_redis_answers(valkey: Valkey) -> None:
    async with listening(valkey.url) as subscriber, asyncio.timeout(DEADLINE_S):
        await subscriber.wait_connected()


async def test_after_redis_was_killed_and_restarted_messages_flow_again(
    own_redis: RedisServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber:
        restored: list[bool] = []
        subscriber.on_restored(lambda: restored.append(subscriber.is_connected))
        await subscriber.subscribe(prefix)
        assert subscriber.is_connected
        own_redis.kill()
        await wait_lost(subscriber)
        own_redis.start()
        await subscriber.wait_connected()
        async with Redis(port=own_redis.port) as redis:
            assert await redis.publish(prefix, b"back") == 1
        assert await heard.next() == (prefix, b"back")
        assert subscriber.reconnections == 1
        assert restored == [True], "once, and not for the first connection"
    assert "is back, with 1 channels and 0 patterns" in caplog.text


async def test_a_hold_returns_only_when_redis_is_back(own_redis: RedisServer, prefix: str) -> None:
    """Both a topic that is new, and one that was subscribed on the connection that was lost."""
    async with listening(own_redis.url) as subscriber:
        await subscriber.subscribe(prefix)
        own_redis.kill()
        await wait_lost(subscriber)
        old = asyncio.ensure_future(subscriber.subscribe(prefix))
        new = asyncio.ensure_future(subscriber.subscribe(prefix + "new"))
        given_up = asyncio.ensure_future(subscriber.subscribe(prefix + "given up"))
        await asyncio.sleep(0)
        given_up.cancel()
        subscriber.unsubscribe(prefix + "given up")
        assert not await within(0.2, old)
        assert not new.done()
        own_redis.start()
        await asyncio.gather(old, new)
        async with Redis(port=own_redis.port) as redis:
            assert await redis.pubsub_numsub(prefix, prefix + "new", prefix + "given up") == [
                (prefix.encode(), 1),
                (prefix.encode() + b"new", 1),
                (prefix.encode() + b"given up", 0),
            ]


async def test_a_waiter_for_a_redis_that_stays_away_is_told_and_a_later_one_at_once(
    own_redis: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornet.broker.subscription_state.WAIT_LIMIT_S", 0.2)
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        own_redis.kill()
        await wait_lost(subscriber)
        waiting = [
            subscriber.subscribe(prefix),
            subscriber.subscribe(prefix + "new"),
            subscriber.subscribe_pattern(prefix + "*"),
        ]
        for one in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(one, RedisUnavailable)
        with pytest.raises(RedisUnavailable):
            await subscriber.subscribe(prefix + "late")
        own_redis.start()
        await subscriber.wait_connected()
        assert (subscriber.topics, subscriber.patterns) == (3, 1), "they go on to be wanted"
        await asyncio.gather(*(subscriber.subscribe(prefix + name) for name in ("", "new", "late")))
        async with Redis(port=own_redis.port) as redis:
            assert await redis.publish(prefix + "late", b"x") == 2
        assert {await heard.next(), await heard.next()} == {
            (prefix + "late", b"x"),
            (f"{prefix}* {prefix}late", b"x"),
        }


async def test_a_redis_that_was_never_there_is_no_lost_connection(own_redis: RedisServer) -> None:
    own_redis.kill()
    attempts: list[int] = []

    def connect(attempt: int) -> Redis:
        attempts.append(attempt)
        return connect_subscriber(RedisUrl(own_redis.url), 1.0, attempt)

    subscriber = Subscriber(connect=connect, receive=Heard(), heartbeat_s=1.0)
    task = asyncio.create_task(subscriber.run())

    async def enough() -> bool:
        return len(attempts) >= 3

    await eventually(enough, True)
    own_redis.start()
    await subscriber.wait_connected()
    assert subscriber.reconnections == 0
    assert attempts == list(range(len(attempts)))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_redis_that_is_silent_is_noticed_by_its_heartbeat(
    own_redis: RedisServer, prefix: str
) -> None:
    async with listening(own_redis.url, heartbeat_s=0.1, timeout_s=0.2) as subscriber:
        await subscriber.subscribe(prefix)
        own_redis.pause()
        await wait_lost(subscriber)
        own_redis.resume()
        await subscriber.wait_connected()
        async with Redis(port=own_redis.port) as redis:
            await eventually(lambda: subscribers(redis, prefix), 1)


async def test_a_quiet_redis_that_answers_its_heartbeat_is_kept(own_redis: RedisServer, prefix: str) -> None:
    # An answer has to come within one heartbeat, on a crowded machine too.
    async with listening(own_redis.url, heartbeat_s=0.5) as subscriber, Redis(port=own_redis.port) as redis:
        await subscriber.subscribe(prefix)

        async def many_pings() -> bool:
            return int((await redis.info("commandstats"))["cmdstat_ping"]["calls"]) >= 5

        await eventually(many_pings, True)
        assert subscriber.is_connected
        assert subscriber.reconnections == 0


async def test_a_connection_that_redis_kills_is_replaced(own_redis: RedisServer, prefix: str) -> None:
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber, Redis(port=own_redis.port) as redis:
        await subscriber.subscribe(prefix)
        for number in range(3):
            assert await redis.client_kill_filter(_type="pubsub") == 1
            await wait_lost(subscriber)
            await subscriber.wait_connected()
            assert await redis.publish(prefix, b"%d" % number) == 1
            assert await heard.next() == (prefix, b"%d" % number)
        assert subscriber.reconnections == 3


async def test_ten_thousand_topics_are_held_restored_and_given_up(
    own_redis: RedisServer, prefix: str
) -> None:
    heard = Heard()
    topics = [f"{prefix}{number}" for number in range(10_000)]
    async with listening(own_redis.url, heard) as subscriber, Redis(port=own_redis.port) as redis:

        async def on_server() -> int:
            return len(await redis.pubsub_channels())

        await asyncio.gather(*map(subscriber.subscribe, topics))
        assert await on_server() == len(topics)
        await redis.client_kill_filter(_type="pubsub")
        await wait_lost(subscriber)
        await subscriber.wait_connected()
        assert await on_server() == len(topics)
        assert await redis.publish(topics[-1], b"last") == 1
        assert await heard.next() == (topics[-1], b"last")
        for topic in topics:
            subscriber.unsubscribe(topic)
        await eventually(on_server, 0)


async def test_a_burst_of_messages_leaves_turns_to_everything_else(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    heard = Heard()
    gaps: list[float] = []
    """How long this process computed between two turns of the loop; other processes don't count."""

    async def tick() -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0)
            gaps.append(time.process_time() - last)
            last = time.process_time()

    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(prefix)
        pipeline = redis.pipeline(transaction=False)
        for number in range(20_000):
            pipeline.publish(prefix, b"%d" % number)
        publishing = asyncio.ensure_future(pipeline.execute())
        await heard.next()
        await (
            publishing
        )  # redis-py takes its 20,000 answers without a pause: that is not the subscriber's doing
        ticking = asyncio.create_task(tick())
        while len(heard.all) < 20_000:
            await heard.next()
        ticking.cancel()
    assert [payload for _, payload in heard.all] == [b"%d" % number for number in range(20_000)]
    assert max(gaps, default=0.0) < 0.25


async def test_a_receive_that_fails_ends_the_run_and_leaves_no_connection_that_seems_to_work(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    def receive(topic: str, payload: bytes) -> None:
        raise KeyError(topic)

    subscriber = Subscriber(
        connect=lambda _: connect_subscriber(RedisUrl(valkey.url), 2.0), receive=receive, heartbeat_s=10.0
    )
    task = asyncio.create_task(subscriber.run())
    await subscriber.subscribe(prefix)
    await redis.publish(prefix, b"")
    with pytest.raises(KeyError):
        await task
    assert not subscriber.is_connected
    await eventually(lambda: subscribers(redis, prefix), 0)


async def test_nothing_is_left_in_redis_after_a_cancelled_run(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    async with listening(valkey.url) as subscriber:
        await subscriber.subscribe(prefix)
    assert not subscriber.is_connected
    await eventually(lambda: subscribers(redis, prefix), 0)


async def test_a_subscriber_can_be_cancelled_at_any_moment(valkey: Valkey, redis: Redis, prefix: str) -> None:
    """Python 3.11's ``wait_for``, which redis-py sends through, loses one that comes as it ends."""
    for turns in range(120):
        subscriber = Subscriber(
            connect=lambda _: connect_subscriber(RedisUrl(valkey.url), 5.0), receive=Heard(), heartbeat_s=10.0
        )
        task = asyncio.create_task(subscriber.run())
        holding = asyncio.ensure_future(subscriber.subscribe(f"{prefix}{turns}"))
        for turn in range(turns):
            await asyncio.sleep(0)
            if turn == turns // 2:
                subscriber.unsubscribe(f"{prefix}{turns}")
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=DEADLINE_S)
        assert done, f"it still runs after a cancellation at turn {turns}"
        holding.cancel()
        await asyncio.gather(task, holding, return_exceptions=True)


async def test_a_glob_hears_each_topic_that_matches_it(valkey: Valkey, redis: Redis, prefix: str) -> None:
    heard = Heard()
    glob = f"{prefix}a:*|b:1"
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe_pattern(glob)
        assert (subscriber.topics, subscriber.patterns) == (0, 1)
        assert await redis.publish(f"{prefix}a:x|b:2", b"not for us") == 0
        assert await redis.publish(f"{prefix}a:x|b:1", b"hi") == 1
        assert await heard.next() == (f"{glob} {prefix}a:x|b:1", b"hi")


async def test_a_glob_and_a_topic_of_the_same_text_are_two_things(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await asyncio.gather(subscriber.subscribe(f"{prefix}*"), subscriber.subscribe_pattern(f"{prefix}*"))
        assert await redis.publish(f"{prefix}*", b"1") == 2
        assert {await heard.next(), await heard.next()} == {
            (f"{prefix}*", b"1"),
            (f"{prefix}* {prefix}*", b"1"),
        }
        subscriber.unsubscribe(f"{prefix}*")
        await subscriber.subscribe(prefix)
        assert await redis.publish(f"{prefix}*", b"2") == 1
        assert await heard.next() == (f"{prefix}* {prefix}*", b"2")


async def test_only_the_last_release_gives_a_glob_up(valkey: Valkey, redis: Redis, prefix: str) -> None:
    async with listening(valkey.url) as subscriber:
        await asyncio.gather(*(subscriber.subscribe_pattern(f"{prefix}*") for _ in range(3)))
        for _ in range(2):
            subscriber.unsubscribe_pattern(f"{prefix}*")
        await subscriber.subscribe(prefix)  # confirmed behind whatever the releases caused
        assert await redis.publish(f"{prefix}x", b"") == 1
        subscriber.unsubscribe_pattern(f"{prefix}*")
        await eventually(lambda: redis.publish(f"{prefix}x", b""), 0)
        assert subscriber.patterns == 0


async def test_globs_are_restored_with_the_topics_after_a_lost_connection(
    own_redis: RedisServer, prefix: str
) -> None:
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber:
        await asyncio.gather(subscriber.subscribe_pattern(f"{prefix}*"), subscriber.subscribe("topic"))
        own_redis.kill()
        await wait_lost(subscriber)
        new = asyncio.ensure_future(subscriber.subscribe_pattern("new*"))
        assert not await within(0.2, new)
        own_redis.start()
        await subscriber.wait_connected()
        await new
        async with Redis(port=own_redis.port) as redis:
            assert await redis.pubsub_numpat() == 2
            assert await redis.publish(f"{prefix}x", b"back") == 1
        assert await heard.next() == (f"{prefix}* {prefix}x", b"back")


async def test_a_topic_of_others_that_is_no_text_is_passed_over(
    valkey: Valkey, redis: Redis, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe_pattern(f"{prefix}*")
        assert await redis.publish(prefix.encode() + b"\xff", b"what") == 1
        assert await redis.publish(f"{prefix}a", b"hi") == 1
        assert await heard.next() == (f"{prefix}* {prefix}a", b"hi")


class MillisecondLoop(asyncio.SelectorEventLoop):
    """Rounds the time of a timer to a millisecond, as uvloop does, and counts the timers."""

    timers = 0

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(round(when, 3), callback, *args, context=context)


def test_subscriptions_that_wait_for_redis_share_one_timer_on_a_loop_that_rounds_times() -> None:
    async def subscribe_many() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MillisecondLoop)
        async with listening(f"redis://127.0.0.1:{free_port()}") as subscriber:
            await asyncio.sleep(0)
            before = loop.timers
            for number in range(100):
                subscriber.subscribe(f"topic-{number}")
            return loop.timers - before

    with asyncio.Runner(loop_factory=MillisecondLoop) as runner:
        assert runner.run(subscribe_many()) == 0


async def test_what_is_received_and_what_no_longer_is_announced(own_redis: RedisServer, prefix: str) -> None:
    topic, glob, refused = f"{prefix}t", f"{prefix}g*", f"{prefix}r"
    async with Redis(port=own_redis.port) as redis:
        rules = ("resetchannels", f"&{topic}", f"&{glob}")
        await redis.execute_command("ACL", "SETUSER", "default", *rules)
        announced: list[tuple[str, Holding, bool]] = []
        async with listening(own_redis.url) as subscriber:
            subscriber.on_holding(lambda *holding: announced.append(holding))
            await asyncio.gather(
                subscriber.subscribe(topic), subscriber.subscribe(topic), subscriber.subscribe_pattern(glob)
            )
            with pytest.raises(RefusedByRedis):
                await subscriber.subscribe(refused)
            expected = [
                (topic, Holding.CONFIRMED, False),
                (glob, Holding.CONFIRMED, True),
                (refused, Holding.REFUSED, False),
            ]
            assert announced == expected
            subscriber.unsubscribe(topic)
            subscriber.unsubscribe(refused)
            assert announced.pop() == (refused, Holding.RELEASED, False)
            assert announced == expected
            await redis.client_kill_filter(_type="pubsub")
            await wait_lost(subscriber)
            await subscriber.wait_connected()
            assert announced[3:] == expected[:2]
            subscriber.unsubscribe(topic)
            subscriber.unsubscribe_pattern(glob)
            assert announced[5:] == [(topic, Holding.RELEASED, False), (glob, Holding.RELEASED, True)]
