"""Members in a real Redis: atomic changes, notices in order, and what a dead node leaves."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client, connect
from hornet.broker.keys import node_presence_key, presence_key
from hornet.broker.presence import PresenceStore, parse_notice
from hornet.broker.url import RedisUrl
from hornet.core.presence import Member, PresenceNotice, PresenceSnapshot, PresenceView
from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S

ANN, BEN = Member("ann", {"name": "Žo\\ë/🐎"}), Member("ben")


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[Client]:
    client = connect(RedisUrl(valkey.url), 5.0)
    yield client
    await client.aclose()


async def test_a_change_is_told_with_the_next_version_and_kept(
    client: Client, redis: Redis, prefix: str
) -> None:
    store = PresenceStore(client, "n1")
    async with redis.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe(presence_key(prefix))
        first = await store.change(prefix, {"n1/a": ANN, "n1/b": BEN}, [])
        second = await store.change(prefix, {"n1/b": BEN}, ["n1/a", "n1/unknown"])
        assert first is not None
        assert second == PresenceNotice(first.epoch, 2, {}, ("n1/a",)), "only what really changed"
        told: list[PresenceNotice] = []
        async with asyncio.timeout(DEADLINE_S):
            async for item in listener.listen():
                told.append(parse_notice(item["data"]))
                if len(told) == 2:
                    break
    assert told == [first, second]
    assert first == PresenceNotice(first.epoch, 1, {"n1/a": ANN, "n1/b": BEN})
    assert await store.read(prefix) == PresenceSnapshot(first.epoch, 2, {"n1/b": BEN})


async def test_what_is_so_already_is_no_change(client: Client, prefix: str) -> None:
    store = PresenceStore(client, "n1")
    await store.change(prefix, {"n1/a": ANN}, [])
    assert await store.change(prefix, {"n1/a": ANN}, ["n1/b"]) is None
    assert (await store.read(prefix)).version == 1


async def test_an_empty_channel_leaves_no_key_and_begins_another_epoch(
    client: Client, redis: Redis, prefix: str
) -> None:
    store = PresenceStore(client, "n1")
    assert await store.read(prefix) == PresenceSnapshot("", 0)
    first = await store.change(prefix, {"n1/a": ANN}, [])
    last = await store.change(prefix, {}, ["n1/a"])
    assert first is not None
    assert last == PresenceNotice(first.epoch, 2, {}, ("n1/a",))
    assert await redis.exists(presence_key(prefix)) == 0
    again = await store.change(prefix, {"n1/a": ANN}, [])
    assert again is not None
    assert again.epoch != first.epoch
    assert again.version == 1


async def test_removing_a_dead_node_takes_out_its_members_and_no_others(
    client: Client, redis: Redis, prefix: str
) -> None:
    dead, living = PresenceStore(client, f"{prefix}n1"), PresenceStore(client, f"{prefix}n11")
    channels = [f"{prefix}a", f"{prefix}b", f"{prefix}empty"]
    for channel in channels:
        await dead.register(channel)
    for channel in channels[:2]:
        await dead.change(channel, {dead.session_key("s"): ANN}, [])
    await living.change(channels[0], {living.session_key("s"): BEN}, [])
    for _ in range(2):
        await living.remove_dead_node(f"{prefix}n1")
        assert (await living.read(channels[0])).sessions == {living.session_key("s"): BEN}
        assert (await living.read(channels[1])).sessions == {}
    assert await redis.exists(node_presence_key(f"{prefix}n1"), presence_key(channels[2])) == 0


async def test_an_empty_channel_is_not_left_for_the_clean_up(
    client: Client, redis: Redis, prefix: str
) -> None:
    store = PresenceStore(client, f"{prefix}n1")
    await store.register(prefix)
    assert await redis.smembers(node_presence_key(f"{prefix}n1")) == {prefix.encode()}
    await store.unregister(prefix)
    assert await redis.exists(node_presence_key(f"{prefix}n1")) == 0


async def test_a_follower_of_the_notices_knows_what_redis_knows(client: Client, prefix: str) -> None:
    """Five nodes change the same channel at once; one that applies each notice once, in any repetition."""
    stores = [PresenceStore(client, f"n{number}") for number in range(5)]
    view = PresenceView(max_listed=lambda: 250)
    view.reset(await stores[0].read(prefix))
    notices: list[PresenceNotice] = []

    async def come_and_go(store: PresenceStore) -> None:
        for number in range(20):
            key = store.session_key(str(number % 3))
            notice = await store.change(prefix, {key: ANN}, [store.session_key(str((number + 1) % 3))])
            if notice is not None:
                notices.append(notice)

    await asyncio.gather(*map(come_and_go, stores))
    for notice in sorted(notices, key=lambda one: one.version):
        view.apply(notice)
        view.apply(notice)
    assert not view.is_stale
    truth = await stores[0].read(prefix)
    assert len(view.roster) == len(truth.sessions)
    assert all(key in view.roster for key in truth.sessions)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b'["e",1,[],[]]',
        b'["e","-1",[],[]]',
        b'["e","1",["a"],[]]',
        b'["e","1",["a","{}"],[]]',
        b'["e","1",["a","[]"],[]]',
        b'["e","1",[],[1]]',
        b'["e","1",{"a":1},[]]',
        b"\xff",
    ],
)
def test_what_is_no_notice_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_notice(payload)
