"""Publishing over HTTP reaches clients as a publish in Redis does."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet.core.history import split_stamp
from tests.broker.servers import RedisServer
from tests.e2e.backend import Backend
from tests.e2e.waiting import DEADLINE_S
from tests.web.api.conftest import Api, StartApi, admitted, without_positions


async def test_a_message_reaches_each_client_once_on_every_node(
    start_api: StartApi, backend: Backend, prefix: str
) -> None:
    one, two = await start_api(), await start_api()
    clients = [await admitted(api, backend, prefix) for api in (one, two, two)]
    answer = await one.post(
        "/api/publish", {"channels": prefix, "type": "news", "message": {"text": "ž 🐎", "type": "overruled"}}
    )
    assert without_positions(answer.body) == {"published": [{"channel": prefix, "nodes": 2}]}
    await two.post("/api/publish", {"channels": prefix, "type": "last"})
    for client in clients:
        assert await client.message() == {"text": "ž 🐎", "type": "news", "channel": prefix}
        assert (await client.message())["type"] == "last"


async def test_a_channel_without_history_has_no_positions(start_api: StartApi, prefix: str) -> None:
    api = await start_api(history_channels=(f"{prefix}*=0",))
    answer = await api.post("/api/publish", {"channels": [prefix, "other"], "type": "t"})
    assert [entry["position"] is None for entry in answer.body["published"]] == [True, False]


async def test_several_channels_are_counted_one_by_one(api: Api, backend: Backend, prefix: str) -> None:
    client = await admitted(api, backend, prefix)
    answer = await api.post("/api/publish", {"channels": [prefix, prefix + "x", prefix], "type": "t"})
    assert without_positions(answer.body)["published"] == [
        {"channel": prefix, "nodes": 1},
        {"channel": prefix + "x", "nodes": 0},
    ]
    assert (await client.message())["type"] == "t"


async def test_only_and_except_take_tokens_and_ids_of_sessions(
    api: Api, backend: Backend, prefix: str
) -> None:
    token = await backend.token(prefix)
    by_token = await api.connect({"token": token, "channels": [prefix]})
    assert (await by_token.message())["type"] == "connected"
    by_id, other = await admitted(api, backend, prefix), await admitted(api, backend, prefix)

    async def publish(kind: str, **address: Any) -> None:
        assert (await api.post("/api/publish", {"channels": prefix, "type": kind, **address})).status == 200

    await publish("only", only=[token, by_id.sid])
    await publish("except", **{"except": [token, by_id.sid]})
    await publish("nobody", only=[])
    await publish("all")
    assert [(await by_token.message())["type"] for _ in range(2)] == ["only", "all"]
    assert [(await by_id.message())["type"] for _ in range(2)] == ["only", "all"]
    assert [(await other.message())["type"] for _ in range(2)] == ["except", "all"]


async def test_a_batch_arrives_in_its_order(api: Api, backend: Backend, prefix: str) -> None:
    client = await admitted(api, backend, prefix)
    messages = [{"channels": prefix, "type": "n", "message": {"n": n}} for n in range(300)]
    answer = await api.post("/api/publish/batch", {"messages": messages})
    assert without_positions(answer.body)["published"] == [{"channel": prefix, "nodes": 1}] * 300
    assert [(await client.message())["n"] for _ in range(300)] == list(range(300))


@pytest.mark.parametrize(
    ("request_fields", "published"),
    [
        ({"message": [1]}, "[1]"),
        ({"message": None}, "null"),
        ({"payload": None}, "null"),
        ({"message": {"type": "x", "only": "t"}}, '{"type":"x","only":"t"}'),
        ({"type": "x"}, '{"type":"x"}'),
        ({"type": "x", "message": {"n": 1, "type": "y", "only": "t"}}, '{"n":1,"type":"x"}'),
        ({"type": "x", "payload": {"n": 1}, "only": "t", "except": ["u"]},
         '{"n":1,"only":"t","except":["u"],"type":"x"}'),
        ({}, "'type' or 'message' is required"),
        ({"message": 1, "payload": 1}, "'message' and 'payload' are one field: give 'message' only"),
        ({"type": "x", "message": 1}, "beside 'type', 'message' is an object"),
        ({"message": {"n": 1}, "only": "t"}, "'only' and 'except' need a 'type'"),
        ({"message": {"type": "x", "only": 7}}, "'only' is neither a token nor a list of tokens"),
        ({"event": "x"}, "Object contains unknown field `event`; "
         "it has pattern, type, message, payload, only, except"),
    ],
)  # fmt: skip
async def test_a_pattern_takes_a_message_or_any_json(
    api: Api, backend: Backend, prefix: str, request_fields: dict[str, Any], published: str
) -> None:
    async with backend.redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(f"a:{prefix}")
        answer = await api.post("/api/publish/pattern", {"pattern": {"a": prefix}, **request_fields})
        if answer.status == 400:
            assert (answer.code, answer.body["detail"]) == ("INVALID_REQUEST", published)
            return
        heard = None
        while heard is None:
            heard = await listening.get_message(timeout=DEADLINE_S)
        assert split_stamp(heard["data"])[1].decode() == published


async def test_users_are_notified_by_type_and_message_or_by_their_older_names(
    api: Api, backend: Backend, prefix: str
) -> None:
    token = await backend.token(prefix)
    await backend.redis.set(f"{{hornet:token:{token}}}:grant", f'{{"user": "{prefix}"}}', ex=60)
    client = await api.connect({"token": token, "channels": [prefix]})
    assert (await client.message())["type"] == "connected"
    for fields, event in (
        ({"type": "mail", "message": [1]}, ("mail", [1])),
        ({"event": "mail", "payload": None}, ("mail", None)),
        ({"event": "mail", "message": 0}, ("mail", 0)),
        ({"type": "mail"}, ("mail", None)),
    ):
        answer = await api.post("/api/publish/users", {"users": prefix, **fields})
        assert without_positions(answer.body) == {"nodes": 1}
        assert await client.event() == event
    for wrong in ({}, {"type": "a", "event": "a"}, {"type": "a", "message": 1, "payload": 1}, {"type": ""}):
        refused = await api.post("/api/publish/users", {"users": prefix, **wrong})
        assert refused.code == "INVALID_REQUEST"


async def test_an_unknown_field_is_answered_with_those_that_there_are(api: Api) -> None:
    for path, body, detail in (
        ("/api/publish", {"channel": "a"}, "it has channels, type, message, only, except"),
        ("/api/publish/batch", {"messages": [{"channel": "a"}]},
         "`channel` - at `$.messages[0]`; it has channels, type, message, only, except"),
        ("/api/publish/users", {"user": "a"}, "it has users, type, message, event, payload"),
        ("/api/tokens/revoke", {"token": "a"}, "it has tokens"),
    ):  # fmt: skip
        refused = await api.post(path, body)
        assert refused.code == "INVALID_REQUEST"
        assert refused.body["detail"].endswith(detail)
    refused = await api.get("/api/sessions?limits=3")
    assert refused.body["detail"].startswith("parameters: Object contains unknown field `limits`; it has ")


async def test_every_answer_ends_in_a_newline(api: Api, prefix: str) -> None:
    message = {"channels": prefix, "type": "t"}
    answers = [
        await api.post("/api/publish", message),
        await api.post("/api/publish", {}),
        await api.post("/api/nothing", {}),
        await api.get("/api/nodes"),
    ]
    assert [answer.status for answer in answers] == [200, 400, 404, 200]
    assert all(answer.text.endswith("}\n") for answer in answers)


async def test_a_pattern_is_published_on_its_sorted_topic(api: Api, backend: Backend, prefix: str) -> None:
    async with backend.redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe(f"channel:{prefix}|kind:news")
        answer = await api.post(
            "/api/publish/pattern", {"pattern": {"kind": "news", "channel": prefix}, "payload": [1, "ž"]}
        )
        assert without_positions(answer.body) == {"nodes": 1}
        heard = None
        while heard is None:
            heard = await listening.get_message(timeout=DEADLINE_S)
        stamp, text = split_stamp(heard["data"])
        assert text.decode() == '[1,"ž"]'
        assert stamp is not None
        assert answer.body["position"] == f"{stamp.epoch}-{stamp.id}"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/publish", {"channels": "hornet", "type": "disconnect_tokens"}, "RESERVED_CHANNEL"),
        ("/api/publish", {"channels": ["a", "hornet"], "type": "t"}, "RESERVED_CHANNEL"),
        ("/api/publish", {"channels": [], "type": "t"}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "", "type": "t"}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "x" * 513, "type": "t"}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "a"}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "a", "type": 5}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "a", "type": "t", "onyl": "x"}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "a", "type": "t", "message": []}, "INVALID_REQUEST"),
        ("/api/publish", {"channels": "a", "type": "t", "only": [1]}, "INVALID_REQUEST"),
        ("/api/publish", [], "INVALID_REQUEST"),
        ("/api/publish", b"", "NOT_JSON"),
        ("/api/publish", b"{", "NOT_JSON"),
        ("/api/publish", b"\xff", "NOT_JSON"),
        ("/api/publish", b'{"channels":"a","type":"\xff"}', "NOT_JSON"),
        ("/api/publish", b'{"channels":"a","type":"\\ud800"}', "NOT_JSON"),
        ("/api/publish", b'{"channels":"a","type":"t","message":{"x":NaN}}', "NOT_JSON"),
        ("/api/publish", b'{"channels":"a","type":"t","message":{"x":1e999}}', "INVALID_REQUEST"),
        ("/api/publish", b'{"channels":"a","type":"t","message":{"x":' + b"[" * 200_000, "NOT_JSON"),
        ("/api/publish/batch", {"messages": []}, "INVALID_REQUEST"),
        ("/api/publish/batch", {"messages": [{"channels": "hornet", "type": "t"}]}, "RESERVED_CHANNEL"),
        ("/api/publish/pattern", {"pattern": {}, "payload": 1}, "INVALID_REQUEST"),
        ("/api/publish/pattern", {"pattern": {"a": "*"}, "payload": 1}, "BAD_PATTERN"),
        ("/api/publish/pattern", {"pattern": {"hornet": "ask"}, "payload": 1}, "BAD_PATTERN"),
        ("/api/publish/pattern", {"pattern": {"a": "b"}}, "INVALID_REQUEST"),
    ],
)
async def test_what_can_not_be_published_is_a_problem_that_says_why(
    api: Api, path: str, body: Any, code: str
) -> None:
    answer = await api.post(path, body)
    assert (answer.status, answer.code) == (400, code)
    assert answer.body["type"].startswith("urn:hornet:problem:")
    assert api.metric(f'hornet_api_refusals_total{{code="{code}"}}') == 1


async def test_a_batch_with_one_wrong_message_publishes_none(api: Api, backend: Backend, prefix: str) -> None:
    client = await admitted(api, backend, prefix)
    good, wrong = {"channels": prefix, "type": "good"}, {"channels": "hornet", "type": "t"}
    assert (await api.post("/api/publish/batch", {"messages": [good, wrong]})).status == 400
    await api.post("/api/publish", {"channels": prefix, "type": "later"})
    assert (await client.message())["type"] == "later"


async def test_a_large_body_is_refused_with_and_without_its_length(start_api: StartApi) -> None:
    api = await start_api(api_max_body_bytes=1000)
    body = b'{"channels":"a","type":"%s"}' % (b"x" * 1000)
    answer = await api.post("/api/publish", body)
    assert (answer.status, answer.code) == (413, "TOO_LARGE")

    async def chunks() -> Any:
        yield body[:500]
        yield body[500:]

    answer = await api.request(
        "POST", "/api/publish", data=chunks(), headers={"Content-Type": "application/json"}
    )
    assert (answer.status, answer.code) == (413, "TOO_LARGE")


async def test_a_large_message_for_many_channels_is_refused_before_it_is_multiplied(api: Api) -> None:
    message = {"channels": [f"c{n}" for n in range(1000)], "type": "x" * 20_000}
    answer = await api.post("/api/publish", message)
    assert (answer.status, answer.code) == (413, "TOO_LARGE")
    messages = [{"channels": [f"c{n}" for n in range(600)], "type": "t"}] * 2
    answer = await api.post("/api/publish/batch", {"messages": messages})
    assert (answer.status, answer.code) == (413, "TOO_LARGE")


class TestIdempotencyKey:
    """A request with one is done once, however often it comes."""

    async def test_fifty_at_once_publish_once_and_get_one_answer(
        self, start_api: StartApi, backend: Backend, prefix: str
    ) -> None:
        nodes = await start_api(), await start_api()
        client = await admitted(nodes[0], backend, prefix)
        body = {"channels": prefix, "type": "once"}
        asked = (
            nodes[n % 2].post("/api/publish", body, headers={"Idempotency-Key": prefix}) for n in range(50)
        )
        answers = [answer.body for answer in await asyncio.gather(*asked)]
        position = answers[0]["published"][0]["position"]
        first = {"published": [{"channel": prefix, "nodes": 1, "position": position}]}
        assert answers.count(first) == 1
        assert answers.count({**first, "replayed": True}) == 49
        await nodes[0].post("/api/publish", {"channels": prefix, "type": "last"})
        assert [(await client.message())["type"] for _ in range(2)] == ["once", "last"]

    async def test_another_request_with_the_same_key_is_refused(self, api: Api, prefix: str) -> None:
        headers = {"Idempotency-Key": prefix}
        assert (await api.post("/api/publish", {"channels": "a", "type": "t"}, headers=headers)).status == 200
        answer = await api.post("/api/publish", {"channels": "b", "type": "t"}, headers=headers)
        assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_a_refused_request_does_not_use_its_key_up(self, api: Api, prefix: str) -> None:
        headers = {"Idempotency-Key": prefix}
        for channels, status in (("hornet", 400), ("a", 200)):
            body = {"channels": channels, "type": "t"}
            assert (await api.post("/api/publish", body, headers=headers)).status == status

    async def test_each_backend_has_its_own(self, start_api: StartApi, prefix: str) -> None:
        api = await start_api(api_keys=("a:publish:0123456789abcdef", "b:publish:0123456789abcdeF"))
        headers = {"Idempotency-Key": prefix}
        body = {"channels": prefix, "type": "t"}
        for key in ("0123456789abcdef", "0123456789abcdeF"):
            answer = await api.post("/api/publish", body, key=key, headers=headers)
            assert "replayed" not in answer.body

    async def test_an_idempotency_key_is_kept_for_its_window(
        self, start_api: StartApi, own_redis: RedisServer, prefix: str
    ) -> None:
        api = await start_api(redis=own_redis.url, idempotency_window_s=70)
        await api.post("/api/publish", {"channels": "a", "type": "t"}, headers={"Idempotency-Key": prefix})
        async with Redis.from_url(own_redis.url) as redis:
            [key] = await redis.keys("hornet:idempotency:*")
            assert 60 < await redis.ttl(key) <= 70
            assert prefix.encode() not in key

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ž"])
    async def test_a_malformed_one_is_refused(self, api: Api, key: str) -> None:
        answer = await api.post(
            "/api/publish", {"channels": "a", "type": "t"}, headers={"Idempotency-Key": key}
        )
        assert answer.code == "INVALID_IDEMPOTENCY_KEY"


async def test_without_redis_publishing_is_unavailable(start_api: StartApi, own_redis: RedisServer) -> None:
    api = await start_api(redis=own_redis.url, redis_timeout_s=1)
    own_redis.kill()
    for headers in ({}, {"Idempotency-Key": "a"}):
        answer = await api.post("/api/publish", {"channels": "a", "type": "t"}, headers=headers)
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert answer.header("Retry-After") == "1"
    assert (await api.get("/api/channels")).code == "UNAVAILABLE"
    assert (await api.post("/api/tokens", {"channels": "a"})).code == "UNAVAILABLE"


async def test_a_message_that_is_too_long_for_redis_is_refused(
    start_api: StartApi, backend: Backend, prefix: str
) -> None:
    api = await start_api(max_message_bytes=200)
    client = await admitted(api, backend, prefix)
    message = {"channels": prefix, "type": "long", "message": {"text": "é" * 100}}
    for path, body in (
        ("/api/publish", message),
        ("/api/publish/batch", {"messages": [{"channels": prefix, "type": "short"}, message]}),
        ("/api/publish/pattern", {"pattern": {"key": prefix}, "message": "é" * 100}),
        ("/api/publish/users", {"users": ["ann"], "event": "long", "payload": "é" * 100}),
    ):
        answer = await api.post(path, body)
        assert (answer.status, answer.body["code"]) == (413, "TOO_LARGE"), path
        assert "more than 200" in answer.body["detail"]
    await api.post("/api/publish", {"channels": prefix, "type": "last"})
    assert (await client.message())["type"] == "last"
