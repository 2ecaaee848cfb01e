"""Presence: the changes that each member gets, on several nodes, through losses and crowds."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import node_presence_key, presence_key
from hornet.broker.nodes import MISSED_HEARTBEATS
from hornet.broker.presence import PresenceStore
from hornet.connector import AsyncConnector, sign_channel
from hornet.core.errors import RedisUnavailable
from hornet.core.presence import Member
from hornet.core.signatures import sign_hmac
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.settings import ChannelSettings
from tests.broker.servers import RedisServer
from tests.e2e.waiting import eventually
from tests.flows.client import Client, placed
from tests.flows.conftest import Running, StartNode

SECRET = "a secret of the backend"


@dataclass
class Present:
    """A client that is a member: what it knows by what it was told, and in how many messages."""

    running: Running
    channel: str
    client: Client
    known: set[str] = field(default_factory=set)
    count: int = 0
    """How many members there are, as the answer or the last message that says so had it."""
    messages: int = 0
    received: int = 0
    """How many members these messages named."""

    async def hear(self) -> dict[str, Any]:
        """Follow one change; it must be one that makes sense."""
        message = await self.client.message()
        self.messages += 1
        assert message["channel"] == self.channel
        if message["type"] == "presence-count":
            self.count = message["count"]
            return message
        ids = ids_of(message)
        self.received += len(ids)
        if message["type"] == "presence-add":
            assert not self.known & ids, "told twice"
            self.known |= ids
        else:
            assert message["type"] == "presence-quit"
            assert self.known >= ids, "told of somebody who was not there"
            self.known -= ids
        return message

    async def hear_until(self, *ids: str) -> None:
        """Follow changes until exactly these members are present."""
        while self.known != set(ids):
            await self.hear()


async def join(running: Running, channel: str, member: Member | str, client: Client | None = None) -> Present:
    """A client in ``channel`` that is made a member of it."""
    client = client or await running.connect_with_token(channel)
    session = running.node.sessions.get(client.sid)
    assert session is not None
    member = Member(member) if isinstance(member, str) else member
    told = await running.node.presence.join(session, channel, member)
    answer: Any = told.value
    return Present(running, channel, client, ids_of(answer), answer["count"])


def ids_of(answer: Any) -> set[str]:
    """Return the ids of the members in an answer, each of which is there once."""
    ids = [member["id"] for member in answer["members"]]
    assert len(ids) == len(set(ids))
    return set(ids)


async def join_at_once(nodes: Sequence[Running], channel: str, names: Sequence[str]) -> list[Present]:
    """Clients that join together, on each of the nodes in turn."""
    clients = [await nodes[number % len(nodes)].connect_with_token(channel) for number in range(len(names))]
    return await asyncio.gather(
        *(
            join(nodes[number % len(nodes)], channel, name, clients[number])
            for number, name in enumerate(names)
        )
    )


async def stored_members(redis: Redis, channel: str) -> list[Member]:
    """The members of a channel as Redis has them."""
    return list((await PresenceStore(redis, "nobody").read(channel)).sessions.values())


@pytest.fixture
async def other(start_node: StartNode) -> Running:
    """A second node."""
    return await start_node()


async def test_a_newcomer_is_told_all_members_and_they_are_told_of_it(running: Running, prefix: str) -> None:
    ann = await join(running, prefix, Member("ann", {"name": "Ann"}))
    assert ann.known == {"ann"}
    ben = await join(running, prefix, "ben")
    assert ben.known == {"ann", "ben"}
    assert await ann.hear() == {"type": "presence-add", "channel": prefix, "members": [{"id": "ben"}]}
    await ann.client.leave()
    assert await ben.hear() == {
        "type": "presence-quit", "channel": prefix, "members": [{"id": "ann", "info": {"name": "Ann"}}],
    }  # fmt: skip


async def test_members_of_every_node_know_each_other(running: Running, other: Running, prefix: str) -> None:
    ann = await join(running, prefix, "ann")
    ben = await join(other, prefix, "ben")
    assert ben.known == {"ann", "ben"}
    await ann.hear_until("ann", "ben")
    await ben.client.leave()
    await ann.hear_until("ann")


async def test_a_user_with_sessions_on_several_nodes_is_one_member(
    running: Running, other: Running, prefix: str
) -> None:
    watcher = await join(running, prefix, "watcher")
    here, there = await join(running, prefix, "ann"), await join(other, prefix, "ann")
    assert there.known == {"ann", "watcher"}
    await watcher.hear_until("ann", "watcher")
    await here.client.leave()
    await join(other, prefix, "end")
    await watcher.hear_until("ann", "watcher", "end")
    await there.client.leave()
    await watcher.hear_until("watcher", "end")


async def test_a_member_that_leaves_the_channel_or_the_presence_is_gone_and_hears_no_more(
    running: Running, prefix: str
) -> None:
    watcher, ann, ben = [await join(running, prefix, name) for name in ("watcher", "ann", "ben")]
    await watcher.hear_until("watcher", "ann", "ben")
    session = running.node.sessions.get(ann.client.sid)
    assert session is not None
    running.node.presence.leave(session, prefix)
    await watcher.hear_until("watcher", "ben")
    assert prefix in session.channels, "it still is in the channel"
    refused = await ann.client.ask("hornet:presence", {"channel": prefix})
    assert refused["error"]["code"] == "NOT_A_MEMBER"
    session = running.node.sessions.get(ben.client.sid)
    assert session is not None
    running.node.signals.left.send(session, prefix)
    await watcher.hear_until("watcher")


async def test_only_a_member_may_ask_for_the_members(running: Running, redis: Redis, prefix: str) -> None:
    ann = await join(running, prefix, Member("ann", 1))
    outsider = await running.connect_with_token(prefix)
    assert placed(await ann.client.ask("hornet:presence", {"channel": prefix})) == {
        "ok": True, "channel": prefix, "members": [{"id": "ann", "info": 1}], "count": 1,
    }  # fmt: skip

    async def code(*args: object) -> object:
        return (await outsider.ask("hornet:presence", *args))["error"]["code"]

    assert await code({"channel": prefix}) == "NOT_A_MEMBER"
    assert await code({"channel": f"{prefix}unknown"}) == "NOT_A_MEMBER"
    for wrong in ((), (None,), ("a",), ({},), ({"channel": 7},)):
        assert await code(*wrong) == "WRONG_PARAMETERS"
    for page in ({"after": 1}, {"limit": 0}, {"limit": "1"}, {"limit": True}):
        assert await code({"channel": prefix, **page}) == "WRONG_PARAMETERS"
    assert await stored_members(redis, prefix) == [Member("ann", 1)]


async def test_presence_data_makes_a_member_with_the_user_as_its_id(
    start_node: StartNode, prefix: str
) -> None:
    running, channel = await start_node(channels=SECRETS), f"private-{prefix}"
    client = await running.connect_with_token(prefix, user="ann")

    async def subscribe_with(presence: str) -> Any:
        signature = sign_hmac(SECRET, client.sid, channel, presence)
        return await client.ask(
            "hornet:subscribe", {"channel": channel, "signature": signature, "presence": presence}
        )

    for wrong in ("[1]", '{"id":""}'):
        assert (await subscribe_with(wrong))["error"]["code"] == "BAD_PRESENCE"
        assert channel not in running.session(client).channels
    assert (await subscribe_with('{"info":1}'))["members"] == [{"id": "ann", "info": 1}]


async def test_when_all_are_gone_nothing_is_left_in_redis_or_on_the_node(
    running: Running, redis: Redis, prefix: str
) -> None:
    for present in [await join(running, prefix, name) for name in ("ann", "ben")]:
        await present.client.leave()

    async def traces() -> list[int]:
        keys = (presence_key(prefix), node_presence_key(running.node.nodes.id))
        [(_, listeners)] = await redis.pubsub_numsub(presence_key(prefix))
        return [await redis.exists(*keys), int(listeners)]

    await eventually(traces, [0, 0])
    again = await join(running, prefix, "ann")
    assert again.known == {"ann"}


async def test_joining_again_is_answered_and_not_announced(running: Running, prefix: str) -> None:
    watcher, ann = [await join(running, prefix, name) for name in ("watcher", "ann")]
    assert (await join(running, prefix, "ann", ann.client)).known == {"watcher", "ann"}
    end = await join(running, prefix, "end")
    await watcher.hear_until("watcher", "ann", "end")
    assert end.known == {"watcher", "ann", "end"}


async def test_a_channel_has_so_many_members_and_no_more(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    running = await start_node(channels=ChannelSettings(max_members=2))
    for name in ("ann", "ben", "ann"):
        await join(running, prefix, name)
    with pytest.raises(RefusedEvent, match="TOO_MANY_MEMBERS"):
        await join(running, prefix, "cleo")
    assert {member.id for member in await stored_members(redis, prefix)} == {"ann", "ben"}


async def test_a_crowd_that_joins_at_once_costs_each_member_few_messages(
    running: Running, other: Running, prefix: str
) -> None:
    """200 sessions on two nodes; one by one they would be told 20,000 times."""
    watchers = [await join(running, prefix, "watcher 1"), await join(other, prefix, "watcher 2")]
    names = [f"member {number}" for number in range(198)]
    crowd = await join_at_once((running, other), prefix, names)
    everybody = {"watcher 1", "watcher 2", *names}
    for present in (*watchers, *crowd):
        await present.hear_until(*everybody)
    assert max(present.messages for present in (*watchers, *crowd)) < 30


async def test_all_members_of_a_crowd_know_the_same_listed_members_and_its_count(
    start_node: StartNode, prefix: str
) -> None:
    settings = ChannelSettings(max_listed_members=10)
    nodes = [await start_node(channels=settings) for _ in range(2)]
    first = await join(nodes[0], prefix, "first")
    names = [f"member {number:02}" for number in range(39)]
    crowd = [first, *await join_at_once(nodes, prefix, names)]
    for present in crowd:
        while present.count != 40 or len(present.known) != 10:
            await present.hear()
    last = await join(nodes[1], prefix, "last")
    by_node = [[present for present in crowd if present.running is node] for node in nodes]
    for members in by_node:
        assert len({frozenset(present.known) for present in members}) == 1
    leaving = [present for present in crowd if present.client is not first.client]
    for present in leaving:
        await present.client.leave()
    for present in (first, last):
        await present.hear_until("first", "last")
        while present.count != 2:
            await present.hear()
    assert sum(present.received for present in (first, last)) < 40 * 40


async def test_the_members_of_a_crowd_can_be_read_page_by_page(start_node: StartNode, prefix: str) -> None:
    running = await start_node(channels=ChannelSettings(max_listed_members=4, max_presence_rate=2.0))
    first = await join(running, prefix, "member 0")
    await join_at_once((running,), prefix, [f"member {number}" for number in range(1, 10)])
    read: list[str] = []
    request: dict[str, Any] = {"channel": prefix, "after": ""}
    for size in (4, 4, 2):
        answer = await first.client.ask("hornet:presence", {**request, "limit": 5})
        assert len(answer["members"]) == size
        assert answer["count"] == 10
        read += [member["id"] for member in answer["members"]]
        request["after"] = answer.get("next")
    assert read == [f"member {number}" for number in range(10)]
    assert request["after"] is None
    assert "error" not in await first.client.ask("hornet:presence", {"channel": prefix})
    refused = await first.client.ask("hornet:presence", {"channel": prefix})
    assert refused["error"]["code"] == "RATE_LIMITED"


async def test_changes_that_were_missed_with_a_lost_subscription_are_made_up_for(
    own_redis: RedisServer, start_node: StartNode, prefix: str
) -> None:
    one, two = [await start_node(redis=own_redis.url) for _ in range(2)]
    ann, ben, cleo = (
        await join(one, prefix, "ann"),
        await join(two, prefix, "ben"),
        await join(two, prefix, "cleo"),
    )
    await ann.hear_until("ann", "ben", "cleo")
    async with Redis(port=own_redis.port) as redis:
        await redis.client_kill_filter(_type="pubsub")
        await ben.client.leave()
        dan = await join(two, prefix, "dan")
    await ann.hear_until("ann", "cleo", "dan")
    await dan.hear_until("ann", "cleo", "dan")
    await cleo.hear_until("ann", "cleo", "dan")


async def test_a_redis_that_lost_its_data_is_told_again_and_no_member_hears_of_it(
    own_redis: RedisServer, start_node: StartNode, prefix: str
) -> None:
    one, two = [await start_node(redis=own_redis.url, node_heartbeat=0.3) for _ in range(2)]
    ann, ben = await join(one, prefix, "ann"), await join(two, prefix, "ben")
    await ann.hear_until("ann", "ben")
    own_redis.kill()
    own_redis.start()

    async def known() -> set[str]:
        async with Redis(port=own_redis.port) as redis:
            keys = [key async for key, _ in redis.hscan_iter(presence_key(prefix))]
            return {key.decode().partition("/")[0] for key in keys if key}

    await eventually(known, {one.node.nodes.id, two.node.nodes.id})
    for running in (one, two):
        await running.node.subscriber.wait_connected()
    end = await join(two, prefix, "end")
    assert end.known == {"ann", "ben", "end"}
    await ann.hear_until("ann", "ben", "end")
    await ben.hear_until("ann", "ben", "end")
    assert ann.messages == 2
    assert ben.messages == 1


@pytest.mark.parametrize("stall", ["CLIENT PAUSE", "SIGSTOP"])
async def test_after_a_stall_of_redis_no_node_takes_another_for_dead(
    own_redis: RedisServer, start_node: StartNode, prefix: str, stall: str
) -> None:
    options = {"node_heartbeat": 0.3, "user_grace": 1.0, "redis_timeout": 10.0}
    nodes = [await start_node(redis=own_redis.url, **options) for _ in range(3)]
    crowd = [await join(node, prefix, f"member {number}") for number, node in enumerate(nodes)]
    names = {f"member {number}" for number in range(3)}
    for present in crowd:
        await present.hear_until(*names)

    async def may_judge() -> list[bool]:
        return [node.node.nodes.may_judge for node in nodes]

    await eventually(may_judge, [True] * 3)
    told = [present.messages for present in crowd]
    stall_s = 2 * (MISSED_HEARTBEATS + 1) * 0.3
    if stall == "SIGSTOP":
        own_redis.pause()
        await asyncio.sleep(stall_s)  # the stall itself: nothing can be waited for
        own_redis.resume()
    else:
        async with Redis(port=own_redis.port) as redis:
            await redis.client_pause(int(stall_s * 1000), all=True)
        await asyncio.sleep(stall_s)
    await eventually(may_judge, [True] * 3)
    end = await join(nodes[0], prefix, "end")
    for present, before in zip(crowd, told, strict=True):
        await present.hear_until(*names, "end")
        assert present.messages == before + 1, "nobody was gone"
    assert end.known == {*names, "end"}


async def test_a_join_that_redis_does_not_take_fails_and_leaves_the_others_alone(
    own_redis: RedisServer, start_node: StartNode, prefix: str
) -> None:
    running = await start_node(redis=own_redis.url, redis_timeout=0.2)
    ann = await join(running, prefix, "ann")
    client = await running.connect_with_token(prefix)
    own_redis.pause()
    try:
        with pytest.raises(RedisUnavailable):
            await join(running, prefix, "ben", client)
    finally:
        own_redis.resume()
    again = await join(running, prefix, "ben", client)
    assert again.known == {"ann", "ben"}
    await ann.hear_until("ann", "ben")


SECRETS = ChannelSettings(channel_secrets=(SECRET,), max_members=2)


async def subscribe(client: Client, channel: str, presence: dict[str, Any] | None) -> Any:
    return await client.ask("hornet:subscribe", sign_channel(SECRET, client.sid, channel, presence))


async def test_a_signature_with_presence_data_makes_a_member(start_node: StartNode, prefix: str) -> None:
    running, channel = await start_node(channels=SECRETS), f"private-{prefix}"
    ann, ben = await running.connect(), await running.connect()
    entered = await subscribe(ann, channel, {"id": "ann", "info": {"name": "Ann"}})
    info = {"id": "ann", "info": {"name": "Ann"}}
    assert placed(entered) == {"ok": True, "channel": channel, "members": [info], "count": 1}
    assert (await subscribe(ben, channel, {"id": 7}))["members"] == [info, {"id": "7"}]
    assert (await ann.message())["members"] == [{"id": "7"}]
    assert (await ann.ask("hornet:presence", {"channel": channel}))["members"] == [info, {"id": "7"}]
    assert (await ann.ask("hornet:unsubscribe", {"channel": channel}))["ok"] is True
    assert await ben.message() == {"type": "presence-quit", "channel": channel, "members": [info]}


async def test_several_channels_in_one_request_are_each_answered_with_the_members(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node(channels=SECRETS)
    client = await running.connect_with_token(prefix)
    channels = [f"private-{prefix}{number}" for number in range(2)]
    signed = [sign_channel(SECRET, client.sid, channel, {"id": "ann"}) for channel in channels]
    answer = await client.ask("hornet:subscribe", {"subscriptions": signed})
    assert [placed(each) for each in answer["subscriptions"]] == [
        {"ok": True, "channel": channel, "members": [{"id": "ann"}], "count": 1} for channel in channels
    ]


async def test_a_session_without_presence_data_sees_nobody_and_is_not_seen(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    running, channel = await start_node(channels=SECRETS), f"private-{prefix}"
    unseen, ann = await running.connect(), await running.connect()
    assert placed(await subscribe(unseen, channel, None)) == {"ok": True, "channel": channel}
    assert (await subscribe(ann, channel, {"id": "ann"}))["members"] == [{"id": "ann"}]
    assert (await unseen.ask("hornet:presence", {"channel": channel}))["error"]["code"] == "NOT_A_MEMBER"
    async with AsyncConnector(redis) as backend:
        await backend.publish(channel, "end")
    assert (await unseen.message())["type"] == "end"
    assert (await ann.message())["type"] == "end"


async def test_a_session_that_can_not_be_a_member_is_not_in_the_channel_either(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    running, channel = await start_node(channels=SECRETS), f"private-{prefix}"
    for name in ("ann", "ben"):
        assert "members" in await subscribe(await running.connect(), channel, {"id": name})
    cleo = await running.connect()
    assert (await subscribe(cleo, channel, {"id": "cleo"}))["error"]["code"] == "TOO_MANY_MEMBERS"
    answer = await cleo.ask("hornet:unsubscribe", {"channel": channel})
    assert answer["error"]["code"] == "NOT_SUBSCRIBED"
