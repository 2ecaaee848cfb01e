"""The history in Redis: what is recorded, in which order, and what is told when something is missing."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hornet.broker.client import Client
from hornet.broker.history import HistoryStore, Missing, Publication
from hornet.broker.history_scripts import depths_text
from hornet.broker.history_types import NO_POSITION
from hornet.broker.keys import HISTORY
from hornet.broker.settings import HistorySettings
from hornet.core.history import StreamPosition, split_stamp
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.e2e.waiting import eventually

NEWS, SPORT = "hornet:channel:news", "hornet:channel:sport"
BYTES = 1_000_000


@pytest.fixture
async def store(redis: Redis) -> HistoryStore:
    """Return a store that is ready."""
    return await open_store(redis)


async def open_store(redis: Client, **settings: object) -> HistoryStore:
    store = HistoryStore(redis, HistorySettings(**settings))  # type: ignore[arg-type]  # each test has its own
    await store.load()
    return store


async def publish(store: HistoryStore, topic: str, *texts: str) -> list[StreamPosition]:
    recorded = await store.publish([Publication(topic, text) for text in texts])
    positions = [one.position for one in recorded]
    assert None not in positions
    return [position for position in positions if position]


async def texts_since(store: HistoryStore, topic: str, since: StreamPosition) -> tuple[bool, list[bytes]]:
    [history] = (await store.read([Missing(topic, since, BYTES)])).topics
    return history.is_whole, [entry.json for entry in history.entries]


@pytest.fixture
async def heard(valkey: Valkey) -> AsyncIterator[Heard]:
    """Hear what is published on two channels, a user and a pattern."""
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        for topic in (NEWS, SPORT, "hornet:user:7", "channel:CNN|kind:news"):
            await subscriber.subscribe(topic)
        yield heard


async def test_ids_rise_over_all_channels_and_each_names_the_one_before_it(
    store: HistoryStore, heard: Heard
) -> None:
    topics = [NEWS, SPORT, "hornet:user:7", "channel:CNN|kind:news"]
    wanted = [Publication(topics[n % 4], f'{{"n":{n}}}') for n in range(600)]
    recorded = await store.publish(wanted[:598])
    recorded += [*await store.publish(wanted[598:599]), *await store.publish(wanted[599:])]
    assert [one.nodes for one in recorded] == [1] * 600
    last_ids: dict[str, int] = {}
    ids = []
    for publication, one in zip(wanted, recorded, strict=True):
        topic, payload = await heard.next()
        stamp, text = split_stamp(payload)
        assert stamp is not None
        assert one.position is not None
        assert (topic, text) == (publication.topic, publication.text.encode())
        assert (stamp.epoch, stamp.id) == one.position
        assert stamp.previous == last_ids.get(topic, stamp.previous)
        last_ids[topic] = stamp.id
        ids.append(stamp.id)
    assert ids == sorted(set(ids))
    assert await store.position() == recorded[-1].position


async def test_publishers_at_once_share_one_order(redis: Redis, store: HistoryStore, heard: Heard) -> None:
    stores = [store, HistoryStore(redis, HistorySettings()), HistoryStore(redis, HistorySettings())]
    publishes = (publish(stores[n % 3], (NEWS, SPORT)[n % 2], str(n)) for n in range(90))
    positions = [position for positions in await asyncio.gather(*publishes) for position in positions]
    heard_ids = []
    for _ in range(90):
        stamp, _text = split_stamp((await heard.next())[1])
        assert stamp is not None
        heard_ids.append(stamp.id)
    assert heard_ids == sorted(position.id for position in positions)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{ }",
        '{"a":1}',
        '{ "a" : {} }',
        " {}",
        '\n{"a":1} ',
        "[1]",
        '"text"',
        "null",
        "1",
        "no JSON",
        "{",
        "",
    ],
)
async def test_every_text_arrives_and_is_kept_as_it_was_published(
    store: HistoryStore, heard: Heard, text: str
) -> None:
    start = await store.position()
    await publish(store, NEWS, text)
    _, payload = await heard.next()
    stamp, taken = split_stamp(payload)
    assert stamp is not None
    assert taken.strip().replace(b" ", b"") == text.strip().replace(" ", "").encode()
    assert await texts_since(store, NEWS, start) == (True, [text.encode()])
    try:
        json.loads(text)
    except ValueError:
        return
    assert isinstance(json.loads(payload), dict)  # what else listens finds an object


async def test_a_read_gives_what_came_after_a_position(store: HistoryStore) -> None:
    start = await store.position()
    first, second, third = await publish(store, NEWS, "1", "2", "3")
    assert await texts_since(store, NEWS, start) == (True, [b"1", b"2", b"3"])
    assert await texts_since(store, NEWS, first) == (True, [b"2", b"3"])
    assert await texts_since(store, NEWS, third) == (True, [])
    assert await texts_since(store, SPORT, start) == (True, [])
    answer = await store.read([Missing(NEWS, second, BYTES)])
    assert answer.position == third
    assert (answer.topics[0].last, answer.topics[0].is_recorded) == (third.id, True)


async def test_positions_that_can_not_be_compared_are_never_whole(store: HistoryStore) -> None:
    [position] = await publish(store, NEWS, "1")
    for since in (StreamPosition("other", position.id - 1), StreamPosition(position.epoch, position.id + 1)):
        assert await texts_since(store, NEWS, since) == (False, [])


async def test_what_is_beyond_the_count_is_told(redis: Redis) -> None:
    store = await open_store(redis, history_count=10)
    start = await store.position()
    positions = await publish(store, NEWS, *map(str, range(1000)))
    is_whole, texts = await texts_since(store, NEWS, start)
    assert not is_whole
    assert texts[-10:] == [str(n).encode() for n in range(990, 1000)]
    assert await texts_since(store, NEWS, positions[-11]) == (True, texts[-10:])


async def test_what_is_beyond_the_bytes_is_told(redis: Redis) -> None:
    store = await open_store(redis, history_bytes=1000)
    start = await store.position()
    positions = await publish(store, NEWS, *(str(n) * 300 for n in range(5)))
    assert await texts_since(store, NEWS, start) == (False, [str(n).encode() * 300 for n in (2, 3, 4)])
    assert (await texts_since(store, NEWS, positions[1]))[0]
    await publish(store, NEWS, "x" * 1001)  # longer than all that may be kept
    assert await texts_since(store, NEWS, positions[1]) == (False, [])


async def test_what_is_beyond_the_age_is_told(redis: Redis) -> None:
    store = await open_store(redis, history_age_s=0.05)
    start = await store.position()
    [position] = await publish(store, NEWS, "old")

    async def since_start() -> tuple[bool, list[bytes]]:
        return await texts_since(store, NEWS, start)

    nothing: tuple[bool, list[bytes]] = (False, [])
    await eventually(since_start, nothing)
    assert await texts_since(store, NEWS, position) == (True, [])
    await publish(store, NEWS, "new")
    assert await texts_since(store, NEWS, position) == (True, [b"new"])


async def test_a_stream_expires_only_after_its_newest_message_is_too_old(redis: Redis) -> None:
    store = await open_store(redis, history_age_s=100)
    await publish(store, NEWS, *"abc")
    assert 100_000 < await redis.pttl(f"{HISTORY}:s:{NEWS}") <= 125_000


@pytest.mark.parametrize(
    ("rule", "topic", "count"),
    [
        ("news=0", NEWS, 0),
        ("n*=2", NEWS, 2),
        ("n?ws=0", NEWS, 0),
        ("*=0", NEWS, 0),
        ("sport=0", NEWS, 3),
        ("ne.s=0", NEWS, 3),
        ("hornet:user:*=0", "hornet:user:7", 0),
        ("channel:*=0", "channel:CNN|kind:news", 0),
        ("other=0", "channel:CNN|kind:news", 3),
    ],
)
async def test_a_rule_sets_the_depth_of_the_channels_that_match(
    redis: Redis, heard: Heard, rule: str, topic: str, count: int
) -> None:
    store = await open_store(redis, history_channels=(rule, "*=3"))
    recorded = await store.publish([Publication(topic, "x" * 5000)] * 3)
    assert [one.position is not None for one in recorded] == [count > 0] * 3
    stamps = [split_stamp((await heard.next())[1])[0] for _ in range(3)]
    assert [stamp is not None for stamp in stamps] == [count > 0] * 3
    assert await redis.xlen(f"{HISTORY}:s:{topic}") == count


async def test_a_rule_may_name_age_and_bytes(redis: Redis) -> None:
    await open_store(redis, history_channels=("a=1:2:3",))
    assert await redis.hget(HISTORY, "depths") == b"1 2000000 3 ^a$\n100 120000000 1048576 ^.*$\n"
    assert depths_text(HistorySettings().rules()) == "100 120000000 1048576 ^.*$\n"


async def test_topics_of_nodes_and_control_messages_are_never_recorded(
    redis: Redis, store: HistoryStore
) -> None:
    for topic in ("hornet:channel:hornet", "hornet:presence:a", "hornet:ask", "hornet:events:connect"):
        [recorded] = await store.publish([Publication(topic, "{}")])
        assert recorded.position is None
    assert store.unrecorded == 0
    assert await redis.keys(f"{HISTORY}:s:*") == []


async def test_without_history_a_publish_is_plain(redis: Redis, heard: Heard) -> None:
    store = await open_store(redis, history_count=0)
    assert (await store.publish([Publication(NEWS, "{}")]))[0].position is None
    await store.publish([Publication(NEWS, str(n)) for n in range(300)])
    assert [(await heard.next())[1] for _ in range(301)] == [b"{}", *(str(n).encode() for n in range(300))]
    assert await redis.exists(HISTORY) == 0
    assert await store.position() == NO_POSITION


@pytest.mark.parametrize("settings", [{"history_count": 0}, {"history_channels": ("news=0",)}])
async def test_a_stamp_in_what_is_published_plainly_is_not_taken_for_one_of_redis(
    redis: Redis, heard: Heard, settings: dict[str, object]
) -> None:
    store = await open_store(redis, **settings)
    forged = '{"hornet:position":"abc-1-0","a":1}'
    await store.publish([Publication(NEWS, forged)])
    _, payload = await heard.next()
    assert split_stamp(payload)[0] is None
    assert json.loads(payload) == json.loads(forged)


async def test_identical_reads_at_once_are_one_read(store: HistoryStore) -> None:
    start = await store.position()
    positions = await publish(store, NEWS, *map(str, range(50)))
    await publish(store, SPORT, "s")
    before = store.topics_read
    sinces = [start, *positions] * 20
    answers = await asyncio.gather(
        *(store.read([Missing(NEWS, since, BYTES), Missing(SPORT, since, BYTES)]) for since in sinces)
    )
    assert store.topics_read - before <= 4
    for answer, since in zip(answers, sinces, strict=True):
        news, sport = answer.topics
        kept = [str(n).encode() for n, position in enumerate(positions) if position.id > since.id]
        assert news.is_whole
        assert sport.is_whole
        assert [entry.json for entry in news.entries] == kept
        assert [entry.json for entry in sport.entries] == [b"s"]


async def test_a_read_gives_the_newest_within_its_bytes(store: HistoryStore) -> None:
    start = await store.position()
    positions = await publish(store, NEWS, *(str(n) * 100 for n in range(5)))
    small, large = (await store.read([Missing(NEWS, start, 250), Missing(NEWS, start, 500)])).topics
    assert ([entry.id for entry in small.entries], small.is_whole) == (
        [positions[3].id, positions[4].id],
        False,
    )
    assert (len(large.entries), large.is_whole) == (5, True)


async def test_many_topics_of_many_bytes_are_read_in_parts(store: HistoryStore) -> None:
    start = await store.position()
    topics = [f"hornet:channel:many-{n}" for n in range(250)]
    await store.publish([Publication(topic, f'"{topic}{"x" * 40_000}"') for topic in topics])
    answer = await store.read([Missing(topic, start, BYTES) for topic in topics])
    for topic, history in zip(topics, answer.topics, strict=True):
        assert history.is_whole
        assert [entry.json[: len(topic) + 1] for entry in history.entries] == [b'"' + topic.encode()]


async def test_plain_publishes_are_remembered_where_nodes_heard_them(store: HistoryStore) -> None:
    position = await store.position()
    await store.note_plain([NEWS])
    news, sport = (await store.read([Missing(NEWS, position, BYTES), Missing(SPORT, position, BYTES)])).topics
    assert news.heard_plain
    assert news.plain_at >= position.id
    assert not sport.heard_plain


async def test_topics_of_patterns_are_found_by_what_was_recorded_since(store: HistoryStore) -> None:
    [first] = await publish(store, "kind:news", "1")
    [second] = await publish(store, "kind:sport", "2")
    await publish(store, NEWS, "3")
    assert await store.topics_since(first.id - 1) == ["kind:news", "kind:sport"]
    assert await store.topics_since(first.id) == ["kind:sport"]
    assert await store.topics_since(second.id) == []


async def test_pages_of_a_topic(store: HistoryStore) -> None:
    positions = await publish(store, NEWS, *map(str, range(10)))
    page = await store.page(NEWS, limit=4)
    assert ([entry.json for entry in page.messages], page.has_more) == ([b"0", b"1", b"2", b"3"], True)
    assert page.position == positions[-1]
    page = await store.page(NEWS, limit=4, since=positions[5])
    assert ([entry.json for entry in page.messages], page.has_more) == ([b"6", b"7", b"8", b"9"], False)
    assert page.is_whole
    page = await store.page(NEWS, limit=2, since=positions[2], before=positions[7], newest_first=True)
    assert ([entry.json for entry in page.messages], page.has_more) == ([b"6", b"5"], True)
    assert page.is_whole
    page = await store.page(NEWS, limit=99, since=StreamPosition("other", 1))
    assert (len(page.messages), page.is_whole) == (10, False)
    page = await store.page(NEWS, limit=4, before=StreamPosition(positions[0].epoch, 0))
    assert page.messages == []
    page = await store.page(NEWS, limit=4, before=StreamPosition("other", 0))
    assert len(page.messages) == 4
    page = await store.page(SPORT, limit=9, since=positions[0])
    assert (page.messages, page.is_whole, page.has_more) == ([], True, False)
