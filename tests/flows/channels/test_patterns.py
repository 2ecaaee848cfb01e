"""Pattern subscriptions on whole nodes: who may, what arrives, and what Redis is asked for."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from hornet.connector import AsyncConnector
from hornet.core.patterns import parse_pattern, parse_publication
from hornet.flows.channels.glob_shares import ADDRESS_GLOBS, SESSION_GLOBS
from hornet.flows.channels.patterns import EXACT_GLOBS
from hornet.flows.settings import ChannelSettings
from tests.e2e.waiting import eventually
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode

Evidence = Mapping[str, str]


class Board:
    """Patterns that are this test's own, each with a key that has its prefix."""

    def __init__(self, running: Running, redis: Redis, prefix: str) -> None:
        self.running = running
        self._redis = redis
        self._key = f"0{prefix}"

    def own(self, shown: Evidence) -> dict[str, str]:
        return {self._key: "x", **shown}

    def text(self, shown: Evidence, *, subset: bool = False) -> str:
        return parse_pattern(self.own(shown), subset).text

    async def subscribe(self, client: Client, shown: Evidence, **further: object) -> str:
        answer = await client.ask("hornet:subscribe", {"pattern": self.own(shown), **further})
        assert answer == {"ok": True, "pattern": self.text(shown, subset=bool(further.get("subset")))}
        return str(answer["pattern"])

    async def unsubscribe(self, client: Client, shown: Evidence, **further: object) -> None:
        answer = await client.ask("hornet:unsubscribe", {"pattern": self.own(shown), **further})
        assert answer["ok"] is True

    async def publish(self, shown: Evidence, kind: str = "x", **message: object) -> int:
        topic = parse_publication(self.own(shown))
        return int(await self._redis.publish(topic, json.dumps({"type": kind, **message})))

    async def globs(self) -> int:
        return int(await self._redis.pubsub_numpat())


@pytest.fixture
async def board(start_node: StartNode, redis: Redis, prefix: str) -> Board:
    return Board(await start_node(channels=ChannelSettings(public_patterns=True)), redis, prefix)


@pytest.fixture
async def client(board: Board, prefix: str) -> Client:
    return await board.running.connect_with_token(f"{prefix}in")


async def test_what_is_published_to_the_same_keys_and_values_arrives(board: Board, client: Client) -> None:
    text = await board.subscribe(client, {"kind": "news", "channel": "CNN"})
    assert await board.publish({"kind": "news", "channel": "BBC"}) == 0
    assert await board.publish({"channel": "CNN", "kind": "news"}, "headline", n=1) == 1
    assert await client.message() == {"type": "headline", "n": 1, "channel": text, "pattern": text}


async def test_a_wildcard_and_a_subset_say_which_topic_and_by_which_pattern(
    board: Board, client: Client
) -> None:
    by_any = await board.subscribe(client, {"kind": "news", "channel": "*"})
    by_subset = await board.subscribe(client, {"kind": "news"}, subset=True)
    await board.publish({"kind": "news", "channel": "CNN", "extra": "1"}, "first")
    await board.publish({"kind": "sport", "channel": "CNN"}, "nobody's")
    await board.publish({"kind": "news", "channel": "CNN"}, "second")
    first = await client.message()
    assert (first["type"], first["pattern"]) == ("first", by_subset)
    assert first["channel"] == board.text({"kind": "news", "channel": "CNN", "extra": "1"})
    second = [await client.message(), await client.message()]
    assert {one["pattern"] for one in second} == {by_any, by_subset}, "once for each subscription"
    assert {one["channel"] for one in second} == {board.text({"kind": "news", "channel": "CNN"})}


async def test_after_unsubscribing_nothing_arrives_and_redis_is_not_asked_for_it(
    board: Board, client: Client
) -> None:
    before = await board.globs()
    await board.subscribe(client, {"kind": "*"})
    await board.subscribe(client, {"kind": "*"})
    await board.subscribe(client, {"kind": "news"})
    assert await board.globs() == before + 1
    await board.unsubscribe(client, {"kind": "*"})
    await board.subscribe(client, {"kind": "end"})
    assert await board.publish({"kind": "sport"}) == 0
    assert await board.publish({"kind": "news"}) == 1
    assert (await client.message())["pattern"] == board.text({"kind": "news"})
    assert await board.globs() == before
    assert (
        await refusal(client, "hornet:unsubscribe", {"pattern": board.own({"kind": "*"})}) == "NOT_SUBSCRIBED"
    )


async def test_a_session_that_ends_leaves_nothing_behind(board: Board, client: Client) -> None:
    held = board.running.node.subscriber
    before = held.patterns, held.topics - 1  # the client came with one channel
    for shown, subset in (({"kind": "*"}, False), ({"kind": "news"}, True), ({"kind": "news"}, False)):
        await board.subscribe(client, shown, subset=subset)
    assert held.patterns == before[0] + 3
    await client.leave()

    async def left() -> tuple[int, int]:
        return held.patterns, held.topics

    await eventually(left, before)


async def test_only_and_except_address_patterns_too(board: Board, redis: Redis, prefix: str) -> None:
    async with AsyncConnector(redis) as backend:
        token = await backend.create_access_token(f"{prefix}in")
        other_token = await backend.create_access_token(f"{prefix}in")
    client = await board.running.connect(auth={"token": token, "channels": [f"{prefix}in"]})
    other = await board.running.connect(auth={"token": other_token, "channels": [f"{prefix}in"]})
    for one in (client, other):
        assert (await one.message())["type"] == "connected"
        await board.subscribe(one, {"kind": "*"})
    await board.publish({"kind": "a"}, "mine", only=token)
    await board.publish({"kind": "a"}, "theirs", **{"except": token})
    await board.publish({"kind": "a"}, "end")
    assert [(await client.message())["type"] for _ in range(2)] == ["mine", "end"]
    assert [(await other.message())["type"] for _ in range(2)] == ["theirs", "end"]


async def test_a_malformed_publish_is_dropped_and_affects_no_client(
    board: Board, client: Client, redis: Redis
) -> None:
    text = await board.subscribe(client, {"kind": "*"})
    for payload in (b"what", b"NaN", b'"\xff"', b"[" * 1000 + b"]" * 1000):
        await redis.publish(text.replace("*", "a"), payload)
    await board.publish({"kind": "a"}, "end")
    assert (await client.message())["type"] == "end"


async def test_by_default_a_pattern_needs_a_token_that_names_it(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    board = Board(await start_node(), redis, prefix)
    client = await board.running.connect_with_token(f"{prefix}in")
    request = {"pattern": board.own({"kind": "news"}), "subset": True}
    assert await refusal(client, "hornet:subscribe", request) == "FORBIDDEN"
    async with AsyncConnector(redis) as backend:
        wrong = await backend.create_access_token(board.text({"kind": "news"}))
        right = await backend.create_access_token(board.text({"kind": "news"}, subset=True))
    assert await refusal(client, "hornet:subscribe", {**request, "token": 7}) == "WRONG_PARAMETERS"
    assert await refusal(client, "hornet:subscribe", {**request, "token": wrong}) == "WRONG_TOKEN_ASSOCIATION"
    await board.subscribe(client, {"kind": "news"}, subset=True, token=right)
    await board.publish({"kind": "news", "n": "1"}, "heard")
    assert (await client.message())["type"] == "heard"
    again = await board.running.connect_with_token(f"{prefix}in")
    assert await refusal(again, "hornet:subscribe", {**request, "token": right}) == "INVALID_TOKEN"


async def test_a_token_for_a_pattern_lets_a_session_in(board: Board, redis: Redis) -> None:
    client = await board.running.connect()
    request = {"pattern": board.own({"kind": "news"})}
    assert await refusal(client, "hornet:subscribe", request) == "NOT_AUTHENTICATED"
    async with AsyncConnector(redis) as backend:
        token = await backend.create_access_token(board.text({"kind": "news"}))
        await board.subscribe(client, {"kind": "news"}, token=token)
        await board.publish({"kind": "news"}, "heard")
        assert (await client.message())["type"] == "heard"
        await backend.disconnect_tokens(token)
    assert (await client.message())["error"] == "TOKEN_REVOKED"
    await client.expect_closed()


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], "WRONG_PARAMETERS"),
        ([None], "WRONG_PARAMETERS"),
        (["kind:news"], "WRONG_PARAMETERS"),
        ([{}], "WRONG_PARAMETERS"),
        ([{"pattern": {}}], "BAD_PATTERN"),
        ([{"pattern": {"a": 1.5}}], "BAD_PATTERN"),
        ([{"pattern": {"hornet": "ask"}}], "BAD_PATTERN"),
        ([{"pattern": {"a": "b"}, "subset": "yes"}], "BAD_PATTERN"),
    ],
)
async def test_a_malformed_request_is_refused_with_a_code(
    client: Client, args: list[object], code: str
) -> None:
    assert await refusal(client, "hornet:subscribe", *args) == code
    assert await refusal(client, "hornet:unsubscribe", *args) == code


async def test_a_session_has_so_many_patterns_and_no_more(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    settings = ChannelSettings(public_patterns=True, max_patterns=2)
    board = Board(await start_node(channels=settings), redis, prefix)
    client = await board.running.connect_with_token(f"{prefix}in")
    for kind in "ab":
        await board.subscribe(client, {"kind": kind})
    request = {"pattern": board.own({"kind": "c"})}
    assert await refusal(client, "hornet:subscribe", request) == "TOO_MANY_PATTERNS"
    await board.subscribe(client, {"kind": "b"})
    await board.unsubscribe(client, {"kind": "b"})
    await board.subscribe(client, {"kind": "c"})


async def test_many_patterns_with_the_same_keys_share_a_glob_and_arrive_once(
    board: Board, client: Client
) -> None:
    before, many = await board.globs(), EXACT_GLOBS + 20
    for number in range(many):
        await board.subscribe(client, {"user": str(number), "kind": "*"})
    assert await board.globs() == before + EXACT_GLOBS + 1
    for number in range(many):
        await board.publish({"user": str(number), "kind": "a"}, str(number))
    await board.publish({"user": "nobody", "kind": "a"})
    await board.publish({"user": "0", "kind": "a"}, "end")
    assert [(await client.message())["type"] for _ in range(many + 1)] == [*map(str, range(many)), "end"]


async def test_a_pattern_is_heard_on_every_node_whose_client_asks(
    board: Board, client: Client, start_node: StartNode, prefix: str
) -> None:
    other_node = await start_node(channels=ChannelSettings(public_patterns=True))
    other = await other_node.connect_with_token(f"{prefix}in")
    await board.subscribe(client, {"kind": "*"})
    await board.subscribe(other, {"kind": "news"})
    assert await board.publish({"kind": "sport"}, "one") == 1
    assert await board.publish({"kind": "news"}, "both") == 2
    assert [(await client.message())["type"] for _ in range(2)] == ["one", "both"]
    assert (await other.message())["type"] == "both"


ANY_JSON: tuple[Any, ...] = (
    "text", "", 7, -0.5, None, True, False, [], ["any", "JSON"], {}, {"text": "It works"}, {"type": 5},
    {"deep": [{"type": "x", "v": [[None]]}]},
)  # fmt: skip


async def test_any_json_reaches_every_subscription_that_matches_on_every_node_whoever_publishes_it(
    board: Board, start_node: StartNode, redis: Redis, prefix: str
) -> None:
    other_node = await start_node(channels=ChannelSettings(public_patterns=True))
    clients: list[tuple[Client, str, bool]] = []
    wanted: tuple[tuple[Evidence, bool], ...] = (
        ({"kind": "news"}, False), ({"kind": "*"}, False), ({}, True),
    )  # fmt: skip
    for running in (board.running, other_node):
        for by_event in (False, True):
            auth = {"channels": [f"{prefix}in"], "delivery": "event" if by_event else "message"}
            for shown, subset in wanted:
                token = await running.create_token(f"{prefix}in")
                client = await running.connect(auth={**auth, "token": token})
                await client.event()
                clients.append((client, await board.subscribe(client, shown, subset=subset), by_event))
    topic = board.text({"kind": "news"})
    pattern = board.own({"kind": "news"})
    async with aiohttp.ClientSession(other_node.url) as http:
        for payload in ANY_JSON:
            await redis.publish(topic, json.dumps(payload))
            for path in ("/", "/api/publish/pattern"):
                async with http.post(path, json={"pattern": pattern, "payload": payload}) as response:
                    assert response.status == 200, await response.text()
    for client, text, by_event in clients:
        for payload in ANY_JSON:
            for _ in range(3):
                name, argument = await client.event()
                assert name == ("payload" if by_event else "message")
                assert (argument if by_event else json.loads(argument)) == {
                    "type": "payload", "payload": payload, "channel": topic, "pattern": text,
                }  # fmt: skip


async def test_a_key_with_the_prefix_of_a_topic_of_emitters_reaches_nobody(
    board: Board, client: Client, prefix: str
) -> None:
    """The topic of such a pattern is one on which emitters send any event to all sessions."""
    payload = ["emitter", {"type": 2, "data": ["message", "forged"], "nsp": "/"}, {"rooms": [], "flags": {}}]
    async with aiohttp.ClientSession(board.running.url) as http:
        for key in ("socket.io#/#", "socket.io#/#room#", "__sentinel__"):
            for path in ("/", "/api/publish/pattern"):
                async with http.post(path, json={"pattern": {key: "x"}, "payload": payload}) as response:
                    assert response.status == 400
                    assert "reserved" in await response.text()
    await board.subscribe(client, {"kind": "end"})
    await board.publish({"kind": "end"}, "end")
    assert (await client.message())["type"] == "end"


async def test_a_session_and_an_address_have_a_share_of_the_globs_and_join_in_those_of_others(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    """Two sessions took all globs of the node, and nobody else could subscribe to a new kind of pattern."""
    settings = ChannelSettings(public_patterns=True)
    board = Board(await start_node(channels=settings, trusted_proxies="127.0.0.0/8"), redis, prefix)

    async def join(address: str) -> Client:
        token = await board.running.create_token(f"{prefix}in")
        auth = {"token": token, "channels": [f"{prefix}in"]}
        client = await board.running.connect(auth=auth, **{"X-Forwarded-For": address})
        await client.event()
        return client

    def kind(name: str) -> dict[str, str]:
        return {f"{prefix}{name}": "*"}

    async def take_all(client: Client, name: str) -> int:
        for number in range(100):
            answer = await client.ask(
                "hornet:subscribe", {"pattern": kind(f"{name}{number}"), "subset": True}
            )
            if "error" in answer:
                assert answer["error"]["code"] == "TOO_MANY_PATTERNS"
                return 2 * number
        return 200

    first, second, third = [await join("192.0.2.1") for _ in range(3)]
    assert await take_all(first, "a") == SESSION_GLOBS
    assert await take_all(second, "b") == ADDRESS_GLOBS - SESSION_GLOBS
    assert await take_all(third, "c") == 0
    assert await refusal(third, "hornet:subscribe", {"pattern": kind("new")}) == "TOO_MANY_PATTERNS"
    assert (await third.ask("hornet:subscribe", {"pattern": kind("a0"), "subset": True}))["ok"]
    other = await join("192.0.2.2")
    assert await take_all(other, "d") == SESSION_GLOBS
    await first.leave()

    async def free() -> bool:
        answer = await third.ask("hornet:subscribe", {"pattern": kind("new")})
        return "ok" in answer

    await eventually(free, True)


async def test_two_requests_at_once_for_one_pattern_are_one_subscription(
    start_node: StartNode, redis: Redis, prefix: str
) -> None:
    settings = ChannelSettings(public_patterns=True, max_patterns=3)
    board = Board(await start_node(channels=settings), redis, prefix)
    client = await board.running.connect_with_token(f"{prefix}in")
    before = await board.globs()
    request = {"pattern": board.own({"kind": "*"})}
    for number in [await client.begin("hornet:subscribe", request) for _ in range(3)]:
        assert (await client.answer(number))["ok"]
    many = [{"pattern": board.own({"kind": "x", "n": str(number)})} for number in range(5)]
    asked = [await client.begin("hornet:subscribe", wanted) for wanted in many]
    answers = [await client.answer(number) for number in asked]
    assert [("ok" in answer) for answer in answers] == [True, True, False, False, False]
    await client.ask("hornet:unsubscribe", request)
    await client.ask("hornet:subscribe", {"pattern": board.own({"kind": "end"})})
    assert await board.globs() == before
