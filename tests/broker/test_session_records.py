"""The records of sessions in a real Redis."""

import asyncio
import json
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import node_topic, revoked_key, session_record_key, user_records_key
from hornet.broker.session_records import MAX_RECORD_BYTES, PER_SCRIPT, Claimed, SessionRecordStore, Written
from hornet.core.session_records import HeldChannel, SessionRecord

WINDOW_S = 120.0
RECORD = SessionRecord("sid-1", user="42", channels={"a": HeldChannel(1, "")}, tokens={"t1": ("a",)})
MakeStore = Callable[[str], SessionRecordStore]


@pytest.fixture
def make_store(redis: Redis) -> MakeStore:
    return lambda node: SessionRecordStore(redis, node, window_s=WINDOW_S, max_of_user=3)


@pytest.fixture
def store(make_store: MakeStore) -> SessionRecordStore:
    return make_store("n1")


async def test_another_node_takes_a_session_over(store: SessionRecordStore, make_store: MakeStore) -> None:
    assert await store.write("d1", RECORD, is_new=True) is Written.WRITTEN
    assert await make_store("n2").claim("d1") == Claimed(RECORD, "n1", was_away=False)
    assert await store.write("d1", RECORD, is_new=False) is Written.TAKEN


async def test_the_former_node_is_told_to_end_the_session(
    store: SessionRecordStore, make_store: MakeStore, redis: Redis
) -> None:
    await store.write("d1", RECORD, is_new=True)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(node_topic("n1"))
        await pubsub.get_message(timeout=5)
        await make_store("n2").claim("d1")
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        assert json.loads(message["data"]) == {"type": "take", "sid": "sid-1", "record": "d1"}


async def test_the_own_node_tells_nobody(store: SessionRecordStore, redis: Redis) -> None:
    await store.write("d1", RECORD, is_new=True)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(node_topic("n1"))
        await pubsub.get_message(timeout=5)
        assert await store.claim("d1") == Claimed(RECORD, "n1", was_away=False)
        await redis.publish(node_topic("n1"), "next")
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        assert message["data"] == b"next"


async def test_nobody_is_told_of_a_session_that_was_away(
    store: SessionRecordStore, make_store: MakeStore, redis: Redis
) -> None:
    await store.write("d1", RECORD, is_new=True)
    await store.leave("d1")
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(node_topic("n1"))
        await pubsub.get_message(timeout=5)
        other = make_store("n2")
        assert await other.claim("d1") == Claimed(RECORD, "n1", was_away=True)
        await redis.publish(node_topic("n1"), "next")
        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        assert message["data"] == b"next"
    assert await store.claim("d1") == Claimed(RECORD, "n2", was_away=False)


async def test_of_many_nodes_the_last_to_claim_has_the_session(
    store: SessionRecordStore, make_store: MakeStore
) -> None:
    await store.write("d1", RECORD, is_new=True)
    stores = [make_store(f"m{number}") for number in range(10)]
    claimed = await asyncio.gather(*(each.claim("d1") for each in stores))
    assert [each.record for each in claimed if each is not None] == [RECORD] * 10
    written = [await each.write("d1", RECORD, is_new=False) for each in stores]
    assert sorted(each.name for each in written) == ["TAKEN"] * 9 + ["WRITTEN"]


async def test_a_record_lives_as_long_as_the_window_after_the_last_refresh(
    store: SessionRecordStore, redis: Redis
) -> None:
    await store.write("d1", RECORD, is_new=True)
    assert await redis.pttl(session_record_key("d1")) > WINDOW_S * 1000
    await redis.pexpire(session_record_key("d1"), 1000)
    assert await store.refresh(["d1", "none"]) == ["none"]
    assert await redis.pttl(session_record_key("d1")) > WINDOW_S * 1000


async def test_a_node_refreshes_no_session_of_another(
    store: SessionRecordStore, make_store: MakeStore, redis: Redis
) -> None:
    await store.write("d1", RECORD, is_new=True)
    await redis.pexpire(session_record_key("d1"), 5000)
    assert await make_store("n2").refresh(["d1"]) == []
    assert await redis.pttl(session_record_key("d1")) <= 5000


async def test_more_records_than_one_script_takes_are_refreshed(store: SessionRecordStore) -> None:
    digests = [f"d{number}" for number in range(PER_SCRIPT + 3)]
    await store.write(digests[-1], RECORD, is_new=True)
    assert await store.refresh(digests) == digests[:-1]


async def test_a_deleted_record_is_not_written_again_by_a_change(store: SessionRecordStore) -> None:
    await store.write("d1", RECORD, is_new=True)
    await store.delete("d1", RECORD.user)
    assert await store.write("d1", RECORD, is_new=False) is Written.MISSING
    assert await store.claim("d1") is None


async def test_nobody_comes_back_by_a_revoked_token(
    store: SessionRecordStore, make_store: MakeStore, redis: Redis
) -> None:
    await store.write("d1", RECORD, is_new=True)
    await store.revoke(["other", "t1"])
    assert await redis.pttl(revoked_key("t1")) > WINDOW_S * 1000
    assert await make_store("n2").claim("d1") is None
    assert not await redis.exists(session_record_key("d1"))


async def test_no_session_of_a_forgotten_user_comes_back(store: SessionRecordStore) -> None:
    await store.write("d1", RECORD, is_new=True)
    await store.write("d2", RECORD, is_new=True)
    await store.write("d3", SessionRecord("sid-3", user="43"), is_new=True)
    await store.forget_user("42")
    assert [await store.claim(digest) for digest in ("d1", "d2")] == [None, None]
    assert await store.claim("d3") is not None


async def test_the_oldest_records_of_a_user_make_room(store: SessionRecordStore, redis: Redis) -> None:
    for number in range(6):
        await store.write(f"d{number}", RECORD, is_new=True)
    left = [number for number in range(6) if await redis.exists(session_record_key(f"d{number}"))]
    assert len(left) == 3
    assert await redis.zcard(user_records_key("42")) == 3


async def test_records_that_expired_count_no_more(store: SessionRecordStore, redis: Redis) -> None:
    for number in range(3):
        await store.write(f"d{number}", RECORD, is_new=True)
    await redis.delete(session_record_key("d2"))
    await store.write("d3", RECORD, is_new=True)
    assert [await redis.exists(session_record_key(f"d{number}")) for number in range(4)] == [1, 1, 0, 1]


async def test_guests_share_no_bound(store: SessionRecordStore, redis: Redis) -> None:
    for number in range(5):
        await store.write(f"d{number}", SessionRecord(f"s{number}"), is_new=True)
    assert not await redis.exists(user_records_key(""))
    assert await redis.exists(*(session_record_key(f"d{number}") for number in range(5))) == 5


async def test_a_malformed_record_lets_nobody_in(
    store: SessionRecordStore, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await store.write("d1", RECORD, is_new=True)
    await redis.hset(session_record_key("d1"), "record", "{}")
    assert await store.claim("d1") is None
    assert "malformed" in caplog.text


async def test_a_record_that_is_too_long_is_not_written(store: SessionRecordStore) -> None:
    with pytest.raises(ValueError, match="bytes"):
        await store.write("d1", SessionRecord("s", info="x" * MAX_RECORD_BYTES), is_new=True)
