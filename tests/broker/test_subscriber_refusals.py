"""A user of Redis that may not subscribe to everything: what is refused fails alone."""

import asyncio
import logging

import pytest
from redis.asyncio import Redis

from hornet.broker.subscriber import Subscriber
from hornet.core.errors import RefusedByRedis
from tests.broker.acl import grant, limited, url_of
from tests.broker.servers import RedisServer
from tests.broker.test_subscriber import Heard, listening, wait_lost, within
from tests.e2e.waiting import eventually

RULES = ("allkeys", "resetchannels", "&ok:*", "&glob:*", "+@all")


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hornet.broker.subscription_state.ASK_AGAIN_S", 0.05)


async def refused_by(subscriber: Subscriber) -> set[str]:
    return set(subscriber.refused)


async def test_a_topic_that_redis_refuses_fails_alone(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    async with limited(own_redis, *RULES) as admin, listening(url_of(own_redis), heard) as subscriber:
        await subscriber.subscribe("ok:before")
        with pytest.raises(RefusedByRedis, match=r"other:1.*&other:1"):
            await subscriber.subscribe("other:1")
        subscriber.unsubscribe("other:1")
        await subscriber.subscribe("ok:after")
        for topic in ("ok:before", "ok:after"):
            assert await admin.publish(topic, "hi") == 1
            assert await heard.next() == (topic, b"hi")
        assert subscriber.is_connected
        assert subscriber.reconnections == 0
        assert subscriber.refusals == 1
        assert subscriber.refused == ()
        assert subscriber.topics == 2
    assert "Traceback" not in caplog.text
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "&other:1" in line.getMessage()


async def test_a_refused_topic_does_not_harm_those_asked_for_with_it(own_redis: RedisServer) -> None:
    """They share one command, which Redis refuses as a whole."""
    topics = [f"ok:{number}" for number in range(2500)]
    bad = [topics[0].replace("ok", "no"), topics[1234].replace("ok", "no"), "no:last"]
    async with limited(own_redis, *RULES) as admin, listening(url_of(own_redis)) as subscriber:
        await subscriber.wait_connected()
        asked = [bad[0], *topics[:1300], bad[1], *topics[1300:], bad[2]]
        answers = await asyncio.gather(*map(subscriber.subscribe, asked), return_exceptions=True)
        refused = [topic for topic, answer in zip(asked, answers, strict=True) if answer is not None]
        assert refused == bad
        assert len(await admin.pubsub_channels("ok:*")) == len(topics)
        assert subscriber.reconnections == 0


async def test_each_topic_is_logged_once(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with limited(own_redis, *RULES), listening(url_of(own_redis)) as subscriber:
        for _ in range(5):
            for topic in ("no:1", "no:2"):
                with pytest.raises(RefusedByRedis):
                    await subscriber.subscribe(topic)
                subscriber.unsubscribe(topic)
        assert subscriber.refusals == 10
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2


async def test_many_refused_topics_do_not_fill_the_log(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornet.broker.subscription_state.MAX_NAMED", 10)
    async with limited(own_redis, *RULES), listening(url_of(own_redis)) as subscriber:
        await asyncio.gather(
            *(subscriber.subscribe(f"no:{number}") for number in range(50)), return_exceptions=True
        )
        assert len(subscriber.refused) == 50
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 11, "ten topics, and that no more are named"


async def test_a_glob_needs_its_own_text_among_the_channels(own_redis: RedisServer) -> None:
    heard = Heard()
    async with limited(own_redis, *RULES) as admin, listening(url_of(own_redis), heard) as subscriber:
        with pytest.raises(RefusedByRedis, match=r"glob:a\*"):
            await subscriber.subscribe_pattern("glob:a*")
        subscriber.unsubscribe_pattern("glob:a*")
        await subscriber.subscribe_pattern("glob:*")
        assert await admin.publish("glob:a", "hi") == 1
        assert await heard.next() == ("glob:* glob:a", b"hi")
        assert subscriber.reconnections == 0


async def test_a_command_that_is_refused_is_told_as_such(own_redis: RedisServer) -> None:
    async with limited(own_redis, *RULES, "-psubscribe"), listening(url_of(own_redis)) as subscriber:
        with pytest.raises(RefusedByRedis, match=r"\+psubscribe"):
            await subscriber.subscribe_pattern("glob:*")
        subscriber.unsubscribe_pattern("glob:*")
        await subscriber.subscribe("ok:1")


async def test_a_right_that_is_taken_away_costs_its_topics_alone_until_it_is_given_back(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    async with (
        limited(own_redis, *RULES, "&gone:*") as admin,
        listening(url_of(own_redis), heard) as subscriber,
    ):
        await asyncio.gather(*map(subscriber.subscribe, ("ok:1", "gone:1", "gone:2")))
        await grant(admin, "resetchannels", "&ok:*")  # Redis closes the connection for this
        await wait_lost(subscriber)
        await subscriber.wait_connected()
        await eventually(lambda: refused_by(subscriber), {"gone:1", "gone:2"})
        assert await admin.publish("ok:1", "x") == 1
        assert await heard.next() == ("ok:1", b"x")
        assert subscriber.reconnections == 1
        await grant(admin, "&gone:*")
        await eventually(lambda: refused_by(subscriber), set[str]())
        for topic in ("gone:1", "gone:2"):
            await subscriber.subscribe(topic)
            assert await admin.publish(topic, "back") == 1
            assert await heard.next() == (topic, b"back")
        assert subscriber.reconnections == 1
    assert caplog.text.count("listen on 'gone:1'") == 1


async def test_a_refused_topic_given_up_while_it_is_asked_for_again_is_not_subscribed(
    own_redis: RedisServer,
) -> None:
    async with limited(own_redis, *RULES) as admin, listening(url_of(own_redis)) as subscriber:
        for _ in range(20):
            with pytest.raises(RefusedByRedis):
                await subscriber.subscribe("late:1")
            await grant(admin, "&late:*")
            subscriber.unsubscribe("late:1")
            await subscriber.subscribe("ok:1")
            subscriber.unsubscribe("ok:1")

            async def left() -> int:
                return len(await admin.pubsub_channels("late:*"))

            await eventually(left, 0)
            await grant(admin, "resetchannels", "&ok:*")
            await subscriber.wait_connected()


async def test_giving_up_and_asking_again_in_a_refused_command_ends_as_wanted(own_redis: RedisServer) -> None:
    heard = Heard()
    async with limited(own_redis, *RULES) as admin, listening(url_of(own_redis), heard) as subscriber:
        await subscriber.wait_connected()
        for number in range(50):
            first = asyncio.ensure_future(subscriber.subscribe("ok:1"))
            bad = asyncio.ensure_future(subscriber.subscribe("no:1"))
            await asyncio.sleep(0)
            subscriber.unsubscribe("ok:1")
            second = asyncio.ensure_future(subscriber.subscribe("ok:1"))
            await second
            assert await admin.publish("ok:1", b"%d" % number) == 1
            assert await heard.next() == ("ok:1", b"%d" % number)
            with pytest.raises(RefusedByRedis):
                await bad
            first.cancel()
            subscriber.unsubscribe("no:1")
            subscriber.unsubscribe("ok:1")
        await eventually(lambda: _subscribed(admin), 0)


async def _subscribed(admin: Redis) -> int:
    return len(await admin.pubsub_channels())


async def test_a_ping_that_is_refused_is_a_sign_of_life(own_redis: RedisServer) -> None:
    async with (
        limited(own_redis, *RULES, "-ping") as admin,
        listening(url_of(own_redis), heartbeat_s=0.05) as subscriber,
    ):
        await subscriber.subscribe("ok:1")

        async def refused_pings() -> bool:
            return int((await admin.info("commandstats"))["cmdstat_ping"]["rejected_calls"]) >= 5

        await eventually(refused_pings, True)
        assert subscriber.is_connected
        assert subscriber.reconnections == 0


async def test_a_login_that_is_refused_is_no_refused_topic(own_redis: RedisServer) -> None:
    async with limited(own_redis, *RULES, "off"), listening(url_of(own_redis)) as subscriber:
        holding = asyncio.ensure_future(subscriber.subscribe("ok:1"))
        assert not await within(0.3, holding)
        holding.cancel()
        assert subscriber.refusals == 0
