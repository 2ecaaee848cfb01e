"""The connectors over HTTP do what they do through Redis, as far as that makes sense."""

import socket
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic, user_session_key, user_topic
from hornet.broker.tokens import TokenStore
from hornet.connector import ApiError, ApiUnavailable, AsyncConnector, Connector, RedisRequired
from hornet.core.backend_commands import dump_notify
from hornet.core.credentials import Credentials
from hornet.core.messages import parse_publish
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.connector.shapes import Make, Shape, Threaded, in_thread
from tests.e2e.server import ServerProcess
from tests.e2e.waiting import eventually

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def server(shared_valkey: Valkey) -> Any:
    server = ServerProcess(
        "--port", "0", "--redis", shared_valkey.url,
        "--api-keys", f"shop:publish+manage:{KEY},reader:read:{KEY}r,all:publish+manage+read:{KEY}a",
    )  # fmt: skip
    assert server.url
    yield server
    server.sweep()


@pytest.fixture
async def connector(make: Make, server: ServerProcess) -> AsyncIterator[Shape]:
    connector = make(server.url + "/", key=KEY)
    yield connector
    await connector.close()


def test_the_url_decides_whether_a_connector_has_a_redis_client(server: ServerProcess) -> None:
    for connector in (Connector(server.url), AsyncConnector("HTTPS://push.example.com")):
        with pytest.raises(RedisRequired):
            _ = connector.redis
    with Connector("redis://127.0.0.1:1") as connector:
        assert connector.redis.connection_pool.connection_kwargs["port"] == 1


async def test_a_token_opens_its_channels(connector: Shape, redis: Redis, prefix: str) -> None:
    token = await connector.create_access_token((prefix, prefix + "ž:🐎"), ttl=50)
    assert 48 <= await redis.ttl(f"hornet:token:{token}") <= 50
    await TokenStore(redis).take(Credentials(token, (prefix, prefix + "ž:🐎")))


async def test_publish_reaches_subscribers_and_counts_them(
    connector: Shape, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as one, listening(valkey.url) as two:
        await one.subscribe(channel_topic(prefix + "a"))
        await one.subscribe(channel_topic(prefix + "b"))
        await two.subscribe(channel_topic(prefix + "a"))
        data = {"text": "ž 🐎", "n": [1, 2.5, None], "type": "overruled"}
        channels = (prefix + "a", prefix + "b", prefix + "c")
        assert await connector.publish(channels, "news", data, {"only": ("t",), "except": None}) == 3
        for name in ("a", "b"):
            topic, payload = await heard.next_published()
            message = parse_publish(prefix, payload)
            assert topic == f"hornet:channel:{prefix}{name}"
            assert message.only == frozenset({"t"})
            assert message.body == {"text": "ž 🐎", "n": [1, 2.5, None], "type": "news", "channel": prefix}


async def test_disconnect_tokens_kills_an_unused_token(connector: Shape, redis: Redis, prefix: str) -> None:
    token = await connector.create_access_token(prefix)
    assert await connector.disconnect_tokens(token) >= 1
    await eventually(lambda: redis.exists(f"hornet:token:{token}"), 0)


@pytest.mark.parametrize(
    ("channels", "kind", "message", "options"),
    [
        ((), "t", None, None),
        ("\ud800", "t", None, None),
        ("c", 5, None, None),
        ("c", "t", {"x": float("nan")}, None),
        ("c", "t", None, {"onyl": "t"}),
    ],
)
async def test_a_wrong_publish_is_refused_here_as_it_is_through_redis(
    connector: Shape, channels: Any, kind: Any, message: Any, options: Any
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        await connector.publish(channels, kind, message, options)


async def test_a_refusal_has_its_code(make: Make, server: ServerProcess) -> None:
    for key, code in ((KEY + "x", "KEY_UNKNOWN"), (KEY + "r", "RIGHT_MISSING"), (None, "KEY_MISSING")):
        connector = make(server.url, key=key)
        with pytest.raises(ApiError) as refused:
            await connector.publish("c", "t")
        assert refused.value.code == code
        assert KEY not in str(refused.value)
        await connector.close()


async def test_a_url_without_a_server_or_without_hornet_is_unavailable(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        connector = make(f"http://127.0.0.1:{port}")
        with pytest.raises(ApiUnavailable, match="not Hornet's"):
            await connector.publish("c", "t")
        await connector.close()
        thread.join()
    connector = make(f"http://127.0.0.1:{port}")
    with pytest.raises(ApiUnavailable):
        await connector.publish("c", "t")
    await connector.close()


async def test_a_connection_that_was_closed_meanwhile_is_replaced_and_nothing_published_twice(
    make: Make, valkey: Valkey, prefix: str
) -> None:
    first = ServerProcess("--port", "0", "--redis", valkey.url, "--drain-window", "0")
    connector = make(first.url)
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(channel_topic(prefix))
        assert await connector.publish(prefix, "one") == 1
        port = first.port
        first.stop()
        second = ServerProcess("--port", str(port), "--redis", valkey.url)
        assert second.url
        assert await connector.publish(prefix, "two") == 1
        kinds = [parse_publish(prefix, (await heard.next_published())[1]).body["type"] for _ in range(2)]
        assert kinds == ["one", "two"]
    await connector.close()
    second.sweep()


async def test_users_are_notified_subscribed_and_seen_as_through_redis(
    make: Make, server: ServerProcess, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    users: Any = make(f"http://127.0.0.1:{server.port}", key=f"{KEY}a")
    if isinstance(users, Threaded):
        users = _Awaited(users._connector)
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(user_topic(prefix + "/ž"))
        assert await users.notify([prefix + "/ž", prefix], "mail", {"n": 1}) == 1
        assert (await heard.next_published())[1].decode() == dump_notify("mail", {"n": 1})
        assert await users.disconnect_user(prefix + "/ž") == 1
    assert await users.subscribe_user(prefix, ["b", "a"]) == 2
    assert await users.user_channels(prefix) == ["a", "b"]
    assert await users.unsubscribe_user(prefix, "a") == 1
    assert await users.unsubscribe_user(prefix) == 1
    assert await users.is_online(prefix) is False
    with pytest.raises(ValueError, match="event"):
        await users.notify(prefix, "disconnect")
    with pytest.raises(ValueError, match="channel"):
        await users.unsubscribe_user(prefix, [])
    await users.close()


async def test_a_users_session_id_is_registered_and_removed_as_through_redis(
    make: Make, server: ServerProcess, redis: Redis, prefix: str
) -> None:
    connector = make(server.url, key=f"{KEY}a")
    user = prefix + "/ž"
    await connector.set_user_session(user, "first")
    assert await redis.get(user_session_key(user)) == b"first"
    assert await redis.ttl(user_session_key(user)) == -1
    await connector.set_user_session(user, "second", 50)
    assert await redis.get(user_session_key(user)) == b"second"
    assert 48 <= await redis.ttl(user_session_key(user)) <= 50
    assert await connector.remove_user_session(user) is True
    assert await connector.remove_user_session(user) is False
    with pytest.raises(ValueError, match="second"):
        await connector.set_user_session(user, "third", 0)
    await connector.close()


class _Awaited:
    """Every call of the synchronous connector, in a thread."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def __getattr__(self, name: str) -> Any:
        return partial(in_thread, getattr(self._connector, name))


def test_a_subscription_to_events_over_http_is_refused(server: ServerProcess) -> None:
    for connector in (Connector(server.url), AsyncConnector(server.url)):
        with pytest.raises(RedisRequired, match="Redis"):
            connector.subscribe()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://", {}),
        ("http://host/?a=b", {}),
        ("http://user@host/", {}),
        ("http://host", {"key": ""}),
        ("http://host", {"key": "a b"}),
        ("http://host", {"key": "a\r\nX: y"}),
        ("http://host", {"token_length": 20}),
        ("redis://host", {"key": "a"}),
    ],
)
def test_what_can_not_be_meant_is_refused(url: str, options: Any) -> None:
    for kind in (Connector, AsyncConnector):
        with pytest.raises(ValueError, match=r".+"):
            kind(url, **options)
