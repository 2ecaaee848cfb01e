"""Users online, in a real Redis: each change is published once, by any node, in any order of events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client, call, connect
from hornet.broker.keys import (
    USERS,
    USERS_EPOCH,
    USERS_LEAVING,
    node_sessions_key,
    user_sessions_key,
    user_topic,
)
from hornet.broker.url import RedisUrl, parse_url
from hornet.broker.user_commands import (
    channel_users_command,
    channels_command,
    disconnect_user_commands,
    notify_commands,
    subscribe_command,
    unsubscribe_command,
)
from hornet.broker.users import Arrival, KnownChannels, UserLists, UserStore
from tests.broker.conftest import StartRedis
from tests.broker.servers import RedisServer
from tests.broker.test_client import SHAPES
from tests.broker.test_subscriber import Heard, listening

GRACE_S = 60.0


class Cluster:
    """Nodes that keep users in one Redis, and what backends are told meanwhile."""

    def __init__(self, client: Client, heard: Heard) -> None:
        self.client = client
        self._heard = heard
        self._nodes = 0

    def node(
        self, *, grace_s: float = GRACE_S, max_sessions: int = 10, forgets_channels: bool = False
    ) -> UserStore:
        self._nodes += 1
        return UserStore(
            client=self.client,
            node=f"node-{self._nodes}",
            grace_s=grace_s,
            max_sessions=max_sessions,
            forgets_channels=forgets_channels,
        )

    async def event(self) -> tuple[str, dict[str, Any]]:
        topic, payload = await self._heard.next()
        return topic.removeprefix("hornet:events:"), json.loads(payload)

    async def expect_no_more_events(self) -> None:
        """Pass when nothing was told since the last event that the test took."""
        await call(self.client.publish, "hornet:events:user:gone", '{"user":"the end"}')
        assert await self.event() == ("user:gone", {"user": "the end"})

    async def let_grace_pass(self, user: str) -> None:
        """Move the moment when the user is gone into the past."""
        assert await call(self.client.zscore, USERS_LEAVING, user) is not None
        await call(self.client.zadd, USERS_LEAVING, {user: 1})


@pytest.fixture
async def cluster(own_redis: RedisServer) -> AsyncIterator[Cluster]:
    async for one in _cluster(own_redis.url):
        yield one


@pytest.fixture(params=["one server", "cluster of three", "user with no more rights than needed"])
async def any_cluster(request: pytest.FixtureRequest, start_redis: StartRedis) -> AsyncIterator[Cluster]:
    """On Redis in several shapes."""
    async with SHAPES[request.param](start_redis) as url:
        async for one in _cluster(url):
            yield one


async def _cluster(url: str) -> AsyncIterator[Cluster]:
    client = connect(parse_url(url), 5.0)
    heard = Heard()
    listens_at = url.replace("redis+cluster", "redis").partition(",")[0]
    async with listening(listens_at, heard) as subscriber:
        for name in ("online", "session", "gone"):
            await subscriber.subscribe(f"hornet:events:user:{name}")
        yield Cluster(client, heard)
    await client.aclose()


async def arrive(node: UserStore, user: str, sid: str) -> Arrival:
    arrival = await node.arrive(user, sid, "192.0.2.1")
    assert arrival is not None
    return arrival


async def test_a_user_comes_once_comes_again_and_is_gone_once(any_cluster: Cluster) -> None:
    one, other = any_cluster.node(), any_cluster.node()
    first = await arrive(one, "ž{7}", "a")
    assert (first.sessions, first.is_first) == (1, True)
    online = {"user": "ž{7}", "session": "a", "node": "node-1", "sessions": 1}
    assert await any_cluster.event() == ("user:online", online)
    further = await arrive(other, "ž{7}", "b")
    assert (further.sessions, further.is_first) == (2, False)
    assert await any_cluster.event() == (
        "user:session",
        {"user": "ž{7}", "session": "b", "node": "node-2", "sessions": 2},
    )
    await one.depart("ž{7}", "a")
    await other.depart("ž{7}", "b")
    assert (await one.sweep()).gone == ()
    await any_cluster.let_grace_pass("ž{7}")
    sweeps = await asyncio.gather(*(node.sweep() for node in (one, other) * 10))
    assert [user for sweep in sweeps for user in sweep.gone] == ["ž{7}"]
    assert await any_cluster.event() == ("user:gone", {"user": "ž{7}"})
    await any_cluster.expect_no_more_events()
    for key in (USERS, USERS_LEAVING):
        assert await call(any_cluster.client.exists, key) == 0


@pytest.mark.parametrize("forgets_channels", [False, True])
async def test_a_user_who_is_gone_keeps_the_channels_of_backends_unless_they_are_to_be_forgotten(
    any_cluster: Cluster, forgets_channels: bool
) -> None:
    node = any_cluster.node(forgets_channels=forgets_channels)
    for user in ("ž{7}", "8"):
        await arrive(node, user, f"session of {user}")
        await call(any_cluster.client.execute_command, *subscribe_command(user, ["a", "b"]))
    await node.depart("ž{7}", "session of ž{7}")
    await any_cluster.let_grace_pass("ž{7}")
    assert (await node.sweep()).gone == ("ž{7}",)
    lists = UserLists(any_cluster.client)
    kept = set() if forgets_channels else {"ž{7}".encode()}
    assert await lists.ask(channel_users_command("a")) == {b"8"} | kept
    assert await lists.ask(channels_command("ž{7}")) == (set() if forgets_channels else {b"a", b"b"})
    assert await lists.ask(channels_command("8")) == {b"a", b"b"}


async def test_a_user_who_comes_back_in_time_was_never_gone(cluster: Cluster) -> None:
    one, other = cluster.node(), cluster.node()
    await arrive(one, "u", "a")
    await one.depart("u", "a")
    back = await arrive(other, "u", "b")
    assert (back.sessions, back.is_first) == (1, False)
    assert (await one.sweep()).gone == ()
    assert (await cluster.event())[0] == "user:online"
    await cluster.expect_no_more_events()


async def test_without_grace_a_user_is_gone_at_once(cluster: Cluster) -> None:
    node = cluster.node(grace_s=0)
    await arrive(node, "u", "a")
    await node.depart("u", "a")
    assert (await node.sweep()).gone == ("u",)


async def test_of_two_racing_nodes_exactly_one_has_the_first_session(cluster: Cluster) -> None:
    stores = [cluster.node(), cluster.node()]
    users = [f"u{number}" for number in range(100)]
    arrivals = await asyncio.gather(
        *(arrive(store, user, f"{user} on {store.node}") for user in users for store in stores)
    )
    assert sum(one.is_first for one in arrivals) == len(users)
    told = [await cluster.event() for _ in arrivals]
    assert sorted(body["user"] for name, body in told if name == "user:online") == sorted(users)
    assert sorted(body["user"] for name, body in told if name == "user:session") == sorted(users)


async def test_an_arrival_or_a_departure_that_is_repeated_changes_nothing(cluster: Cluster) -> None:
    node = cluster.node()
    await arrive(node, "u", "a")
    assert (await arrive(node, "u", "a")).sessions == 1
    await arrive(node, "u", "b")
    for _ in range(2):
        await node.depart("u", "a")
    assert (await node.sweep()).node_sessions == 1
    assert [(await cluster.event())[0] for _ in range(2)] == ["user:online", "user:session"]
    await cluster.expect_no_more_events()


async def test_a_user_has_no_more_sessions_than_allowed(cluster: Cluster) -> None:
    one, other = cluster.node(max_sessions=3), cluster.node(max_sessions=3)
    arrivals = await asyncio.gather(
        *(store.arrive("u", f"{store.node} {n}", "192.0.2.1") for n in range(5) for store in (one, other))
    )
    assert len([one for one in arrivals if one is not None]) == 3
    sessions = await UserLists(cluster.client).sessions("u")
    assert len(sessions) == 3
    await one.depart("u", sessions[0].session, sessions[0].node)
    assert await one.arrive("u", "another", "192.0.2.1") is not None


async def test_the_lists_tell_sessions_of_all_nodes(any_cluster: Cluster) -> None:
    lists = UserLists(any_cluster.client)
    one, other = any_cluster.node(), any_cluster.node()
    await arrive(one, "u", "a")
    await arrive(other, "u", "b")
    sessions = await lists.sessions("u")
    assert {(s.session, s.node, s.address) for s in sessions} == {
        ("a", "node-1", "192.0.2.1"),
        ("b", "node-2", "192.0.2.1"),
    }
    seconds, _ = await call(any_cluster.client.time, **_anywhere(any_cluster.client))
    assert all(0 <= seconds * 1000 + 1000 - s.since_ms < 20_000 for s in sessions)
    assert await lists.sessions("nobody") == []
    assert await lists.count_online() == 1


def _anywhere(client: Client) -> dict[str, Any]:
    return {} if isinstance(client, Redis) else {"target_nodes": client.get_random_node()}


async def test_users_online_are_listed_page_by_page(cluster: Cluster) -> None:
    node, lists = cluster.node(), UserLists(cluster.client)
    users = {f"u{number}" for number in range(1000)}
    await asyncio.gather(*(arrive(node, user, user) for user in users))
    await node.depart("u7", "u7")  # who is leaving is still online
    found: list[str] = []
    while page := await lists.online(found[-1] if found else "", 300):
        found += page
    assert found == sorted(users)
    assert await lists.count_online() == 1000


async def test_the_sessions_of_a_dead_node_are_removed_page_by_page(cluster: Cluster) -> None:
    dead, living = cluster.node(), cluster.node()
    await asyncio.gather(*(arrive(dead, f"u{number}", f"s{number}") for number in range(1200)))
    await arrive(living, "u0", "elsewhere")
    async for page in living.sessions_of_node(dead.node):
        await asyncio.gather(*(living.depart(user, sid, dead.node) for sid, user in page))
    assert await call(cluster.client.exists, node_sessions_key(dead.node)) == 0
    assert [one.session for one in await UserLists(cluster.client).sessions("u0")] == ["elsewhere"]
    assert (await living.sweep()).node_sessions == 1


async def test_a_subscription_changes_both_lists_and_is_published_only_if_it_changes_them(
    any_cluster: Cluster,
) -> None:
    lists = UserLists(any_cluster.client)
    assert await lists.ask(subscribe_command(42, ("a", "ž:{x}"))) == 2
    assert await lists.ask(subscribe_command("42", "a")) == 0
    assert set(await lists.ask(channels_command(42))) == {b"a", "ž:{x}".encode()}
    assert set(await lists.ask(channel_users_command("ž:{x}"))) == {b"42"}
    assert (await arrive(any_cluster.node(), "42", "s")).known.channels == {"a", "ž:{x}"}
    assert await lists.ask(unsubscribe_command(42, ("a", "never had"))) == 1
    assert set(await lists.ask(channel_users_command("a"))) == set()
    assert await lists.ask(unsubscribe_command(42, "ž:{x}")) == 1
    assert set(await lists.ask(channels_command(42))) == set()


async def test_a_change_is_published_on_the_users_topic_once_it_is_made(own_redis: RedisServer) -> None:
    client = connect(RedisUrl(own_redis.url), 5.0)
    heard = Heard()
    async with listening(own_redis.url, heard) as subscriber:
        await subscriber.subscribe(user_topic("u"))
        lists = UserLists(client)
        for command in (
            subscribe_command("u", "a"),
            subscribe_command("u", "a"),
            unsubscribe_command("u", "a"),
            *notify_commands(["u", "nobody"], "hello", {"n": 1}),
            *disconnect_user_commands("u"),
        ):
            await lists.ask(command)
        assert [json.loads((await heard.next())[1]) for _ in range(4)] == [
            {"type": "channels"},
            {"type": "channels"},
            {"type": "notify", "event": "hello", "payload": {"n": 1}},
            {"type": "disconnect"},
        ]
    await client.aclose()


@pytest.mark.parametrize("user", ["", "x" * 257, "\ud800", 1.5, None, True])
def test_what_is_no_user_is_refused(user: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        subscribe_command(user, "a")
    with pytest.raises((ValueError, TypeError)):
        notify_commands([user], "hello", None)


@pytest.mark.parametrize("channels", ["", (), "hornet", ("a", ""), "\ud800"])
def test_what_is_no_channel_for_a_user_is_refused(channels: Any) -> None:
    with pytest.raises(ValueError, match="channel"):
        subscribe_command("u", channels)


def test_a_user_named_twice_is_notified_once() -> None:
    assert len(notify_commands(["1", 1, "2"], "hello", None)) == 2
    with pytest.raises(ValueError, match="no user"):
        notify_commands([], "hello", None)


async def test_a_redis_that_lost_its_data_gets_sessions_and_channels_back(any_cluster: Cluster) -> None:
    lists, node = UserLists(any_cluster.client), any_cluster.node()
    await lists.ask(subscribe_command("u", ("a", "b")))
    known = (await arrive(node, "u", "s")).known
    assert (await any_cluster.event())[0] == "user:online"
    for key in (USERS, USERS_EPOCH, user_sessions_key("u"), node_sessions_key(node.node)):
        await call(any_cluster.client.delete, key)
    await lists.ask(unsubscribe_command("u", ("a", "b")))
    await lists.ask(subscribe_command("u", "c"))
    restored = await node.restore("u", {"s": "192.0.2.1"}, known)
    assert restored.channels == {"a", "b", "c"}
    assert set(await lists.ask(channel_users_command("b"))) == {b"u"}
    assert [one.session for one in await lists.sessions("u")] == ["s"]
    assert (await node.read("u", restored)).channels == {"a", "b", "c"}
    await any_cluster.expect_no_more_events()


async def test_within_one_epoch_redis_is_right_about_channels(cluster: Cluster) -> None:
    lists, node = UserLists(cluster.client), cluster.node()
    await lists.ask(subscribe_command("u", ("a", "b")))
    known = (await arrive(node, "u", "s")).known
    await lists.ask(unsubscribe_command("u", "a"))
    assert (await node.read("u", known)).channels == {"b"}
    assert (await node.restore("u", {"s": "192.0.2.1"}, known)).channels == {"b"}
    assert known == KnownChannels(known.epoch, frozenset({"a", "b"}))


async def test_a_user_published_as_gone_in_error_is_published_as_online_again(cluster: Cluster) -> None:
    """A node that was paused is taken for dead, its users go, and then it goes on with them."""
    paused, living = cluster.node(), cluster.node(grace_s=0)
    known = (await arrive(paused, "u", "a")).known
    await paused.arrive("u", "b", "192.0.2.1")
    async for page in living.sessions_of_node(paused.node):
        await asyncio.gather(*(living.depart(user, sid, paused.node) for sid, user in page))
    assert (await living.sweep()).gone == ("u",)
    await paused.restore("u", {"a": "192.0.2.1", "b": "192.0.2.1"}, known)
    told = [await cluster.event() for _ in range(4)]
    assert [name for name, _ in told] == ["user:online", "user:session", "user:gone", "user:online"]
    assert len(await UserLists(cluster.client).sessions("u")) == 2
    await cluster.expect_no_more_events()
