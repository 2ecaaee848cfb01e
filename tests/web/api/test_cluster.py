"""Questions to all nodes, asked of one of them."""

import asyncio
import json
from typing import Any

import pytest

from hornet.broker import survey
from hornet.core.jsontext import dump_ascii_json
from tests.broker.servers import RedisServer
from tests.e2e.backend import Backend
from tests.e2e.waiting import eventually
from tests.flows.client import Client
from tests.web.api.conftest import Api, StartApi, admitted


@pytest.fixture
async def nodes(start_api: StartApi, own_redis: RedisServer) -> tuple[Api, Api]:
    """Start two nodes on a Valkey for this test alone, so that the lists hold no sessions of other tests."""
    return await start_api(redis=own_redis.url), await start_api(redis=own_redis.url)


@pytest.fixture
async def backend(own_redis: RedisServer) -> Any:
    from redis.asyncio import Redis

    async with Redis.from_url(own_redis.url) as redis:
        yield Backend(redis)


async def test_channels_are_counted_over_all_nodes(nodes: tuple[Api, Api], backend: Backend) -> None:
    assert (await nodes[0].get("/api/channels")).body == {"missing": [], "channels": []}
    await admitted(nodes[0], backend, "a", "b:1")
    await admitted(nodes[1], backend, "a", "c/ž")
    for api in nodes:
        listed = (await api.get("/api/channels")).body
        assert listed["missing"] == []
        assert "next" not in listed
        assert [(one["channel"], one["sessions"]) for one in listed["channels"]] == [
            ("a", 2),
            ("b:1", 1),
            ("c/ž", 1),
        ]
    assert [one["channel"] for one in (await nodes[0].get("/api/channels?prefix=b")).body["channels"]] == [
        "b:1"
    ]
    one = (await nodes[0].get("/api/channels/c%2F%C5%BE")).body
    assert (one["channel"], one["sessions"]) == ("c/ž", 1)
    assert one["nodes"] == {nodes[1].node.nodes.id: 1}
    assert (await nodes[0].get("/api/channels/nobody")).body["sessions"] == 0


async def test_pages_put_together_are_the_whole_list(nodes: tuple[Api, Api], backend: Backend) -> None:
    names = [f"c{number:02}" for number in range(9)]
    await admitted(nodes[0], backend, *names[::2])
    await admitted(nodes[1], backend, *names[1::2], names[0])
    found: list[str] = []
    after = ""
    while after is not None:
        page = (await nodes[0].get(f"/api/channels?limit=2&after={after}")).body
        found += [one["channel"] for one in page["channels"]]
        assert len(page["channels"]) <= 2
        after = page.get("next")
    assert found == names
    sessions = [await admitted(nodes[n % 2], backend, "many") for n in range(5)]
    first = (await nodes[1].get("/api/channels/many/members?limit=3")).body
    rest = (await nodes[1].get(f"/api/channels/many/members?limit=3&after={first['next']}")).body
    assert "next" not in rest
    listed = [one["session"] for one in first["members"] + rest["members"]]
    assert listed == sorted(client.sid for client in sessions)


async def test_a_page_is_cut_by_bytes_so_that_no_node_sends_too_long_an_answer(
    nodes: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    total = 6_000
    monkeypatch.setattr(survey, "MAX_ANSWERS_BYTES", total)
    sent: list[int] = []

    def dump_and_measure(value: object) -> str:
        text = dump_ascii_json(value)
        sent.append(len(text))
        return text

    monkeypatch.setattr(survey, "dump_ascii_json", dump_and_measure)
    sids = set[str]()
    for number in range(12):
        node = nodes[number % 3 == 0]  # one node has more of them than the other
        asked = {"channels": "a", "user": f"u{number}", "info": "x" * (200 * number)}
        token = (await node.post("/api/tokens", asked)).body["token"]
        sids.add((await node.connect({"token": token, "channels": "a"})).sid)
    for path in ("/api/sessions", "/api/channels/a/members"):
        listed: list[str] = []
        pages, after = 0, ""
        while after is not None:
            page = (await nodes[0].get(f"{path}?after={after}")).body
            assert page["missing"] == []
            listed += [entry["session"] for entry in page[path.rpartition("/")[2]]]
            pages, after = pages + 1, page.get("next")
        assert listed == sorted(sids)
        assert pages > 2
    assert max(sent) <= total // 2


async def test_a_malformed_question_is_dropped_counted_and_logged_in_one_line(
    nodes: tuple[Api, Api], backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    question = {"id": "1", "node": "2", "question": "sessions", "data": {"after": 1}}
    await backend.redis.publish("hornet:ask", json.dumps(question))

    async def dropped() -> int:
        return int(nodes[0].metric("hornet_asking_dropped_total"))

    await eventually(dropped, 1)
    lines = [record for record in caplog.records if "Dropped a question" in record.getMessage()]
    assert lines[0].exc_info is None


async def test_a_session_is_shown_with_its_node_user_and_channels_but_without_its_token(
    nodes: tuple[Api, Api],
) -> None:
    asked = {"channels": ["a", "b"], "user": "ada", "info": {"name": "Ada"}}
    token = (await nodes[0].post("/api/tokens", asked)).body["token"]
    client = await nodes[1].connect({"token": token, "channels": ["a", "b"]})
    assert (await client.message())["type"] == "connected"
    guest = await nodes[0].connect()
    answer = await nodes[0].get(f"/api/sessions/{client.sid}")
    assert token not in answer.text
    shown = answer.body["session"]
    assert shown == {
        "session": client.sid,
        "node": nodes[1].node.nodes.id,
        "user": "ada",
        "info": {"name": "Ada"},
        "state": "ready",
        "address": "127.0.0.1",
        "channels": ["a", "b"],
    }
    listed = (await nodes[0].get("/api/sessions")).body["sessions"]
    assert {one["session"]: one["state"] for one in listed} == {client.sid: "ready", guest.sid: "new"}
    assert "user" not in next(one for one in listed if one["session"] == guest.sid)
    assert (await nodes[0].get("/api/sessions/nobody")).code == "NOT_FOUND"


async def test_sessions_are_ended_by_their_ids_wherever_they_are(
    nodes: tuple[Api, Api], backend: Backend
) -> None:
    leaving: list[Client] = [await admitted(api, backend, "a") for api in nodes]
    staying = await admitted(nodes[1], backend, "a")
    ids = [client.sid for client in leaving]
    answer = await nodes[0].post("/api/disconnect", {"sessions": [*ids, "nobody"]})
    assert answer.body == {"missing": [], "sessions": sorted(ids)}
    for client in leaving:
        await client.expect_closed()
    await nodes[0].post("/api/publish", {"channels": "a", "type": "t"})
    assert (await staying.message())["type"] == "t"


async def test_every_node_tells_of_itself(nodes: tuple[Api, Api], backend: Backend) -> None:
    await admitted(nodes[1], backend, "a")
    answer = (await nodes[0].get("/api/nodes")).body
    told = {one["node"]: one["sessions"] for one in answer["nodes"]}
    assert told == {nodes[0].node.nodes.id: 0, nodes[1].node.nodes.id: 1}
    assert answer["missing"] == []


async def test_a_node_that_does_not_answer_is_named(
    start_api: StartApi, own_redis: RedisServer, backend: Backend
) -> None:
    api = await start_api(redis=own_redis.url, ask_timeout_s=0.2)
    silent = "0123456789abcdef"
    await backend.redis.zadd("hornet:nodes", {silent: 9e15})  # it lives, says its heartbeat
    await admitted(api, backend, "a")
    answer = (await api.get("/api/channels")).body
    assert answer["missing"] == [silent]
    assert [one["channel"] for one in answer["channels"]] == ["a"]
    refused = await api.get("/api/sessions/x")
    assert refused.code == "NOT_FOUND"
    assert silent in refused.body["detail"]


async def test_many_questions_at_once_each_get_their_own_answer(
    nodes: tuple[Api, Api], backend: Backend
) -> None:
    for number in range(3):
        await admitted(nodes[number % 2], backend, *(f"c{n}" for n in range(number + 1)))
    answers = await asyncio.gather(*(nodes[n % 2].get(f"/api/channels/c{n % 3}") for n in range(60)))
    assert [answer.body["sessions"] for answer in answers] == [3 - n % 3 for n in range(60)]


@pytest.mark.parametrize(
    "path",
    [
        "/api/channels?limit=0",
        "/api/channels?limit=1001",
        "/api/channels?limit=x",
        "/api/channels?limit=1&limit=2",
        "/api/channels?limit=99999999999999999999999",
        "/api/channels?unknown=1",
        "/api/channels/a?channel=b",
        "/api/channels/" + "x" * 513,
        "/api/sessions/" + "x" * 129,
    ],
)
async def test_parameters_that_can_not_be_meant_are_refused(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert (answer.status, answer.code) == (400, "INVALID_REQUEST")
