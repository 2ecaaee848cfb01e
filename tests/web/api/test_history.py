"""What was published on a channel, over HTTP."""

from urllib.parse import quote

import pytest

from hornet.broker.history import HistoryStore
from tests.broker.conftest import StartRedis
from tests.recorded import record
from tests.recorded import store as store
from tests.web.api.conftest import Api, StartApi

KEY = "0123456789abcdef"


def path(channel: str, **query: object) -> str:
    words = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    return f"/api/channels/{quote(channel, safe='')}/history?{words}"


async def numbers(api: Api, channel: str, **query: object) -> list[int]:
    answer = await api.get(path(channel, **query))
    assert answer.status == 200, answer.text
    return [entry["message"]["n"] for entry in answer.body["messages"]]


async def test_messages_come_as_clients_got_them_each_with_its_position(
    api: Api, store: HistoryStore, prefix: str
) -> None:
    channel = f"{prefix}a/ž"
    first, last = await record(store, channel, {"n": 1}, {"n": 2, "text": "ž"})
    assert (await api.get(path(channel))).body == {
        "channel": channel,
        "messages": [
            {"position": str(first), "message": {"type": "news", "n": 1, "channel": channel}},
            {"position": str(last), "message": {"type": "news", "n": 2, "text": "ž", "channel": channel}},
        ],
        "position": str(last),
        "whole": True,
        "more": False,
    }


async def test_tokens_of_receivers_are_not_told_but_that_there_were_some(
    api: Api, store: HistoryStore, prefix: str
) -> None:
    await record(store, prefix, {"n": 1, "only": ["secret"]}, {"n": 2, "except": "secret"}, {"n": 3})
    answer = await api.get(path(prefix))
    assert "secret" not in answer.text
    assert [entry.get("addressed", False) for entry in answer.body["messages"]] == [True, True, False]


async def test_pages_in_either_order_have_every_message_once(
    api: Api, store: HistoryStore, prefix: str
) -> None:
    await record(store, prefix, *({"n": n} for n in range(10)))
    upward: list[int] = []
    since: dict[str, str] = {}
    while True:
        page = (await api.get(path(prefix, limit=3, **since))).body
        upward += [entry["message"]["n"] for entry in page["messages"]]
        if not page["more"]:
            break
        since = {"since": page["messages"][-1]["position"]}
    downward: list[int] = []
    before: dict[str, str] = {}
    while True:
        page = (await api.get(path(prefix, limit=3, order="desc", **before))).body
        downward += [entry["message"]["n"] for entry in page["messages"]]
        if not page["more"]:
            break
        before = {"before": page["messages"][-1]["position"]}
    assert upward == list(range(10))
    assert downward == list(reversed(range(10)))


async def test_a_page_lies_between_two_positions(api: Api, store: HistoryStore, prefix: str) -> None:
    positions = await record(store, prefix, *({"n": n} for n in range(5)))
    assert await numbers(api, prefix, since=positions[0], before=positions[3]) == [1, 2]
    assert await numbers(api, prefix, since=positions[4]) == []
    offset = f"{positions[2]}-somenode-77"
    assert await numbers(api, prefix, since=offset) == [3, 4], "an offset of a client is a position too"


async def test_a_channel_without_messages_is_whole_and_tells_where_to_subscribe_from(
    api: Api, store: HistoryStore, prefix: str
) -> None:
    [position] = await record(store, f"{prefix}other", {"n": 1})
    body = (await api.get(path(prefix))).body
    assert body == {
        "channel": prefix,
        "messages": [],
        "position": str(position),
        "whole": True,
        "more": False,
    }


async def test_positions_that_mean_nothing_here_are_told_by_whole(
    api: Api, store: HistoryStore, prefix: str
) -> None:
    [position] = await record(store, prefix, {"n": 1})
    for since in (f"other-{position.id}", f"{position.epoch}-{position.id + 10**9}"):
        body = (await api.get(path(prefix, since=since))).body
        assert body["whole"] is False
        assert [entry["message"]["n"] for entry in body["messages"]] == [1]


@pytest.mark.parametrize("position", ["", "x", "a1-", "-7", "a1-7-node", "0" * 129])
@pytest.mark.parametrize("bound", ["since", "before"])
async def test_what_is_no_position_is_a_problem(api: Api, prefix: str, bound: str, position: str) -> None:
    answer = await api.get(path(prefix, **{bound: position}))
    is_of_a_length = 0 < len(position) <= 128
    assert (answer.status, answer.code) == (400, "BAD_POSITION" if is_of_a_length else "INVALID_REQUEST")


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"order": "up"}, {"after": "x"}]
)
async def test_a_query_beyond_its_bounds_is_a_problem(
    api: Api, prefix: str, query: dict[str, object]
) -> None:
    answer = await api.get(path(prefix, **query))
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")


async def test_hornets_own_channel_has_no_history(api: Api) -> None:
    assert (await api.get(path("hornet"))).code == "RESERVED_CHANNEL"


async def test_the_history_takes_the_right_to_read(start_api: StartApi, prefix: str) -> None:
    api = await start_api(api_keys=(f"shop:publish:{KEY}", "eye:read:fedcba9876543210"))
    assert (await api.get(path(prefix), key=KEY)).code == "RIGHT_MISSING"
    assert (await api.get(path(prefix), key="fedcba9876543210")).status == 200


async def test_a_redis_that_is_away_is_told(
    start_api: StartApi, start_redis: StartRedis, prefix: str
) -> None:
    redis = start_redis()
    api = await start_api(redis=redis.url, redis_timeout_s=1)
    redis.kill()
    answer = await api.get(path(prefix))
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
