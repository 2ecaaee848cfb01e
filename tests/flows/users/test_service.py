"""Users on whole nodes: the users of sessions, the copies on all nodes, and the events for backends."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import USERS_LEAVING
from hornet.connector import AsyncConnector
from hornet.core.errors import RedisUnavailable
from hornet.core.grants import Grant
from hornet.flows.settings import UserSettings
from hornet.flows.users.reconciler import SWEEP_S
from tests.broker.conftest import own_redis, start_redis
from tests.broker.servers import RedisServer
from tests.broker.test_subscriber import Heard, listening, wait_lost
from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode

__all__ = ["own_redis", "start_redis"]

EVENTS = ("user:online", "user:session", "user:gone")


@pytest.fixture
async def backend(valkey: Valkey) -> AsyncIterator[AsyncConnector]:
    async with AsyncConnector(valkey.url) as connector:
        yield connector


class Told:
    """What backends are told of one user."""

    def __init__(self, heard: Heard, redis: Redis, user: str) -> None:
        self._heard, self._redis, self._user = heard, redis, user

    async def next(self) -> tuple[str, dict[str, Any]]:
        while True:
            topic, payload = await self._heard.next()
            body = json.loads(payload)
            if body["user"] == self._user:
                return topic.removeprefix("hornet:events:"), body

    async def names(self, count: int) -> list[str]:
        return [(await self.next())[0] for _ in range(count)]

    async def expect_no_more(self) -> None:
        await self._redis.publish("hornet:events:user:gone", json.dumps({"user": self._user, "end": True}))
        assert await self.next() == ("user:gone", {"user": self._user, "end": True})


@pytest.fixture
async def told(valkey: Valkey, redis: Redis, prefix: str) -> AsyncIterator[Told]:
    """Of the user ``prefix``."""
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        for name in EVENTS:
            await subscriber.subscribe(f"hornet:events:{name}")
        yield Told(heard, redis, prefix)


async def sessions_in_redis(running: Running, user: str) -> int:
    """-1 while Redis is away."""
    try:
        return len(await running.node.user_queries.sessions(user))
    except RedisUnavailable:
        return -1


async def test_backends_are_told_of_a_first_session_of_a_further_one_and_when_the_user_is_gone(
    start_node: StartNode, told: Told, prefix: str
) -> None:
    one, other = [await start_node(users=UserSettings(user_grace_s=0.1)) for _ in range(2)]
    first = await one.connect_with_token(user=prefix)
    name, body = await told.next()
    assert name == "user:online"
    assert body == {"user": prefix, "session": first.sid, "node": one.node.nodes.id, "sessions": 1}
    second = await other.connect_with_token(user=prefix)
    name, body = await told.next()
    assert name == "user:session"
    assert body == {"user": prefix, "session": second.sid, "node": other.node.nodes.id, "sessions": 2}
    await first.leave()
    await second.leave()
    assert await told.next() == ("user:gone", {"user": prefix})
    assert not await one.node.user_queries.is_online(prefix)
    await told.expect_no_more()


async def test_a_page_that_is_loaded_again_is_no_departure(
    start_node: StartNode, told: Told, prefix: str
) -> None:
    one, other = await start_node(), await start_node()
    for running in (one, other, one):
        client = await running.connect_with_token(user=prefix)
        await client.leave()
        await eventually(lambda: sessions_in_redis(one, prefix), 0)
        assert await other.node.user_queries.is_online(prefix)
    assert await told.names(1) == ["user:online"]
    await told.expect_no_more()


async def test_each_socket_gets_each_notification_once_on_whichever_node_it_is(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    one, other = await start_node(), await start_node()
    sockets = [await running.connect_with_token(user=prefix) for running in (one, one, other)]
    stranger = await other.connect_with_token(user=f"{prefix}-other")
    for number in range(20):
        assert await backend.notify(prefix, "count", {"n": number}) == 2
    assert await backend.notify([f"{prefix}-other", f"{prefix}-nobody"], "last") == 1
    assert await stranger.event() == ("last", None)
    await backend.notify(prefix, "last", "žluť 🐎")
    for socket in sockets:
        assert [await socket.event() for _ in range(20)] == [("count", {"n": n}) for n in range(20)]
        assert await socket.event() == ("last", "žluť 🐎")


async def test_a_notification_in_answer_to_the_event_of_an_arrival_is_not_missed(
    running: Running, told: Told, backend: AsyncConnector, prefix: str
) -> None:
    client = await running.connect()
    await client.show(await backend.create_access_token(f"{prefix}c", user=prefix), f"{prefix}c")
    assert (await told.next())[0] == "user:online"
    assert await backend.notify(prefix, "welcome") == 1
    assert {(await client.event())[0] for _ in range(2)} == {"message", "welcome"}


async def test_a_guest_costs_nothing_in_redis(start_node: StartNode, own_redis: RedisServer) -> None:
    running = await start_node(redis=own_redis.url)
    async with Redis(port=own_redis.port) as redis:
        await redis.config_resetstat()
        guest = await running.connect_with_token("a")
        await guest.leave()
        await running.wait_until_empty()
        assert await redis.keys("{hornet:users}*") == []
        used = await redis.info("commandstats")
        assert not {"cmdstat_hset", "cmdstat_hexists", "cmdstat_hdel"} & used.keys()


async def test_a_session_has_one_user(running: Running, backend: AsyncConnector, prefix: str) -> None:
    client = await running.connect_with_token(user=prefix, info={"name": "Ana"})
    await client.show(await backend.create_access_token(f"{prefix}c", user=f"{prefix}-other"), f"{prefix}c")
    assert (await client.message())["error"] == "OTHER_USER"
    [session] = running.node.sessions.of_user(prefix)
    assert f"{prefix}c" not in session.channels
    assert session.info == {"name": "Ana"}
    token = await backend.create_access_token(f"{prefix}c", user=prefix, info={"name": "Ana B."})
    await client.show(token, f"{prefix}c")
    assert (await client.message())["type"] == "connected"
    assert session.info == {"name": "Ana B."}
    assert await sessions_in_redis(running, prefix) == 1


async def test_a_session_that_logged_out_may_be_another_users(
    running: Running, backend: AsyncConnector, told: Told, prefix: str
) -> None:
    await backend.subscribe_user(prefix, f"{prefix}mine")
    await running.connect_with_token(user=prefix)
    [session] = running.node.sessions.of_user(prefix)
    assert set(session.channels) == {f"{prefix}mine"}
    running.node.users.depart(session)
    assert session.user is None
    assert set(session.channels) == set()
    for user in (prefix, f"{prefix}-other"):
        await running.node.users.arrive(session, Grant(user=user))
        assert session.user == user
        assert await sessions_in_redis(running, user) == 1
        running.node.users.depart(session)
    assert await told.names(1) == ["user:online"]
    await told.expect_no_more()


async def test_a_user_has_no_more_sessions_than_allowed_on_all_nodes_together(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    one, other = [await start_node(users=UserSettings(user_sessions=2)) for _ in range(2)]
    first = await one.connect_with_token(user=prefix)
    await other.connect_with_token(user=prefix)
    refused = await one.connect()
    await refused.show(await backend.create_access_token(f"{prefix}c", user=prefix), f"{prefix}c")
    assert (await refused.message())["error"] == "TOO_MANY_USER_SESSIONS"
    assert await backend.publish(f"{prefix}c", "x") == 0
    assert len(one.node.sessions.of_user(prefix)) == 1
    await first.leave()
    await eventually(lambda: sessions_in_redis(one, prefix), 1)
    await refused.show(await backend.create_access_token(f"{prefix}c", user=prefix), f"{prefix}c")
    assert (await refused.message())["type"] == "connected"


async def test_without_redis_a_user_is_refused_and_nothing_is_left_of_it(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    running = await start_node(redis=own_redis.url)
    await running.connect_with_token("a")
    [session] = running.node.sessions.all()
    held = running.node.subscriber.topics
    own_redis.kill()
    arriving = asyncio.create_task(running.node.users.arrive(session, Grant(user=prefix)))
    await asyncio.sleep(0)
    assert session.user == prefix
    arriving.cancel()
    await asyncio.gather(arriving, return_exceptions=True)
    assert session.user is None
    assert running.node.subscriber.topics == held
    own_redis.start()
    await running.node.users.arrive(session, Grant(user=prefix))
    assert await sessions_in_redis(running, prefix) == 1


async def test_a_session_that_ends_while_redis_is_away_holds_nothing_once_it_is_back(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    running = await start_node(redis=own_redis.url)
    await running.connect_with_token("a")
    [session] = running.node.sessions.all()
    held = running.node.subscriber.topics
    own_redis.kill()
    await wait_lost(running.node.subscriber)
    arriving = asyncio.create_task(running.node.users.arrive(session, Grant(user=prefix)))
    await asyncio.sleep(0)
    running.node.users.depart(session)
    own_redis.start()
    async with asyncio.timeout(DEADLINE_S):
        await arriving
    assert session.user is None
    assert running.node.subscriber.topics == held
    assert not await running.node.user_queries.is_online(prefix)


async def test_a_session_refused_its_user_still_has_to_authenticate_in_time(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    running = await start_node(auth_timeout_s=0.5, users=UserSettings(user_sessions=1))
    await running.connect_with_token(user=prefix)
    token = await backend.create_access_token(user=prefix)
    refused = await running.connect(auth={"token": token, "channels": []})
    assert (await refused.message())["error"] == "TOO_MANY_USER_SESSIONS"
    assert (await refused.message())["error"] == "AUTHENTICATION_TIMEOUT"
    await refused.expect_closed()


async def test_a_user_is_disconnected_everywhere_for_good(
    start_node: StartNode, backend: AsyncConnector, prefix: str
) -> None:
    one, other = await start_node(), await start_node()
    clients = [await running.connect_with_token(user=prefix) for running in (one, other)]
    stranger = await one.connect_with_token(user=f"{prefix}-other")
    assert await backend.disconnect_user(prefix) == 2
    for client in clients:
        assert (await client.message())["error"] == "USER_DISCONNECTED"
        await client.expect_closed()
    assert await backend.notify(f"{prefix}-other", "still here") == 1
    assert await stranger.event() == ("still here", None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"nonsense", "NOT_JSON"),
        (b'{"type":"notify","event":"a","payload":1e999}', "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b'{"type":"reboot"}', "UNKNOWN_COMMAND"),
        (b'{"type":"notify","event":"disconnect"}', "BAD_EVENT"),
    ],
)
async def test_a_malformed_command_is_dropped_counted_and_logged(
    running: Running,
    backend: AsyncConnector,
    redis: Redis,
    prefix: str,
    payload: bytes,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = await running.connect_with_token(user=prefix)
    await redis.publish(f"hornet:user:{prefix}", payload)
    await backend.notify(prefix, "after")
    assert await client.event() == ("after", None)
    rendered = running.node.metrics.render().decode()
    assert f'hornet_messages_dropped_total{{reason="{reason}"}} 1.0' in rendered
    assert "hornet_notifications_total 1.0" in rendered
    assert f"Dropped a command of {len(payload)} bytes" in caplog.text
    assert prefix not in caplog.text


async def test_plug_ins_are_told_in_process(
    own_redis: RedisServer, start_node: StartNode, prefix: str
) -> None:
    # A Redis of their own: any node may be the one that finds a user gone, and tells its own plug-ins.
    settings = UserSettings(user_grace_s=0.1)
    one, other = [await start_node(redis=own_redis.url, users=settings) for _ in range(2)]
    log: list[tuple[Any, ...]] = []
    gone = asyncio.Event()

    def listen(running: Running, name: str) -> None:
        def on_gone(user: str) -> None:
            if user == prefix:
                log.append(("gone",))
                gone.set()

        signals = running.node.signals
        signals.user_online.connect(lambda session: log.append(("online", name, session.user)))
        signals.user_session.connect(lambda _, count: log.append(("more", name, count)))
        signals.session_closed.connect(lambda session, _: log.append(("closed", name, session.user)))
        signals.user_gone.connect(on_gone)

    listen(one, "one")
    listen(other, "other")
    clients = [await running.connect_with_token(user=prefix) for running in (one, other)]
    for client in clients:
        await client.leave()
    async with asyncio.timeout(DEADLINE_S):
        await gone.wait()
    assert log[:2] == [("online", "one", prefix), ("more", "other", 2)]
    assert set(log[2:4]) == {("closed", "one", prefix), ("closed", "other", prefix)}
    assert log[4:] == [("gone",)]


async def test_after_a_stall_of_redis_a_users_grace_ends_only_once_arrivals_had_their_time(
    own_redis: RedisServer, start_node: StartNode, prefix: str
) -> None:
    # The first sweep of the stall goes off before the node finds that it is deaf, and waits in Redis.
    options = {"node_heartbeat": 0.8, "user_grace": 0.5, "redis_timeout": 10.0}
    running = await start_node(redis=own_redis.url, **options)
    nodes, swept = running.node.nodes, asyncio.Event()
    was_recovering: list[bool] = []

    def on_gone(_: str) -> None:
        was_recovering.append(nodes.is_recovering)
        swept.set()

    running.node.signals.user_gone.connect(on_gone)
    client = await running.connect_with_token(user=prefix)
    await client.leave()
    async with Redis(port=own_redis.port) as redis:
        await eventually(lambda: redis.zcard(USERS_LEAVING), 1)
    own_redis.pause()
    await asyncio.sleep(2.5 * SWEEP_S)  # the stall itself: nothing can be waited for
    own_redis.resume()
    async with asyncio.timeout(DEADLINE_S):
        await swept.wait()
    assert was_recovering == [False]


async def test_every_session_is_told_of_where_that_is_wanted(
    start_node: StartNode, valkey: Valkey, prefix: str
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe("hornet:events:session:opened")
        await subscriber.subscribe("hornet:events:session:closed")
        running = await start_node(session_events=True)
        client = await running.connect_with_token(user=prefix)
        about = {"session": client.sid, "node": running.node.nodes.id}
        topic, payload = await heard.next()
        assert topic == "hornet:events:session:opened"
        assert json.loads(payload) == {**about, "address": "127.0.0.1"}
        await client.leave()
        topic, payload = await heard.next()
        assert topic == "hornet:events:session:closed"
        assert json.loads(payload) == {**about, "user": prefix, "reason": "transport close"}


async def test_a_redis_that_lost_its_data_gets_its_users_back(
    start_node: StartNode, own_redis: RedisServer, prefix: str
) -> None:
    nodes = [await start_node(redis=own_redis.url) for _ in range(2)]
    async with AsyncConnector(own_redis.url) as before:
        assert await before.subscribe_user(prefix, ["a", "b"]) == 2
    clients = [await running.connect_with_token(user=prefix) for running in (*nodes, *nodes)]
    own_redis.kill()
    own_redis.start()
    await eventually(lambda: sessions_in_redis(nodes[0], prefix), 4)
    for running in nodes:
        await running.node.subscriber.wait_connected()
    async with AsyncConnector(own_redis.url) as backend:
        await eventually(lambda: backend.user_channels(prefix), ["a", "b"])
        assert await backend.is_online(prefix)
        assert await backend.notify(prefix, "hello") == 2
        for client in clients:
            assert await client.event() == ("hello", None)
        await backend.publish("a", "news")
        for client in clients:
            assert (await client.message())["type"] == "news"


async def test_a_node_that_was_taken_for_dead_registers_its_users_again(
    start_node: StartNode, backend: AsyncConnector, told: Told, prefix: str
) -> None:
    living, paused = await start_node(), await start_node()
    client: Client = await paused.connect_with_token(user=prefix)
    for remove_dead_node in living.node.nodes._on_node_dead:
        await remove_dead_node(paused.node.nodes.id)
    assert await sessions_in_redis(living, prefix) == 0
    await eventually(lambda: sessions_in_redis(living, prefix), 1)
    await backend.notify(prefix, "still here")
    assert await client.event() == ("still here", None)
    assert await told.names(1) == ["user:online"]
    await told.expect_no_more()


async def test_what_redis_wrongly_holds_of_a_node_is_taken_out(start_node: StartNode, prefix: str) -> None:
    running = await start_node()
    await running.connect_with_token(user=prefix)
    store = running.node.users._store
    await store.arrive(prefix, "a ghost", "192.0.2.1")
    assert await sessions_in_redis(running, prefix) == 2
    await eventually(lambda: sessions_in_redis(running, prefix), 1)
