"""The channels of a session: how many it may hold, and how many it may ask for at once."""

import json
from dataclasses import replace

import pytest

from hornet.core.codes import TOO_MANY_CHANNELS
from hornet.core.errors import RedisUnavailable
from hornet.core.sessions import AuthStep
from hornet.engine import Handshake
from hornet.flows.sessions.router import MAX_SEVERAL, EventRoute, Router
from hornet.flows.sessions.session_log import SessionLog
from hornet.flows.sessions.sessions import Session
from hornet.flows.settings import LimitSettings
from hornet.metrics import Metrics
from tests.flows.client import placed, refusal
from tests.flows.conftest import Running, StartNode


async def test_a_session_has_so_many_channels_and_keeps_a_token_that_would_open_more(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node(limits=LimitSettings(max_channels_per_session=2))
    client = await running.connect_with_token(f"{prefix}a", f"{prefix}b")
    token = await running.create_token(f"{prefix}b", f"{prefix}c")
    await client.show(token, f"{prefix}b", f"{prefix}c")
    told = await client.message()
    assert (told["type"], told["error"]) == ("error", TOO_MANY_CHANNELS)
    await client.show(token, f"{prefix}b")
    assert (await client.message())["type"] == "connected"


async def test_limits_that_are_replaced_hold_for_sessions_that_are_there(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node()
    client = await running.connect_with_token(f"{prefix}a")
    wanted = replace(running.node.config, limits=LimitSettings(max_channels_per_session=1))
    running.node.reload(wanted)
    token = await running.create_token(f"{prefix}b")
    await client.emit("message", json.dumps({"token": token, "channel": f"{prefix}b"}))
    assert (await client.message())["error"] == TOO_MANY_CHANNELS


async def test_several_subscriptions_in_one_event_are_answered_each_by_its_own(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node(public_channels=f"{prefix}*", public_patterns=True)
    client = await running.connect_with_token(f"{prefix}a")
    answer = await client.ask(
        "hornet:subscribe",
        {
            "subscriptions": [
                {"channel": f"{prefix}b"},
                {"channel": "other"},
                {"pattern": {"kind": "news"}},
                {"channel": "hornet"},
                "nonsense",
                {"channel": f"{prefix}c", "token": await running.create_token(f"{prefix}c")},
                {"subscriptions": [{"channel": f"{prefix}d"}]},
            ]
        },
    )
    results = answer["subscriptions"]
    assert placed(results[0]) == {"ok": True, "channel": f"{prefix}b"}
    assert results[2] == {"ok": True, "pattern": "kind:news"}
    assert [result.get("error", {}).get("code") for result in results] == [
        None,
        "FORBIDDEN",
        None,
        "BAD_CHANNEL",
        *["WRONG_PARAMETERS"] * 3,
    ]
    assert set(running.session(client).channels) == {f"{prefix}a", f"{prefix}b"}


@pytest.mark.parametrize(
    "several", [[], "news", None, {"channel": "a"}, [{"channel": "a"}] * (MAX_SEVERAL + 1)]
)
async def test_several_that_are_no_list_of_the_documented_length_are_refused(
    running: Running, prefix: str, several: object
) -> None:
    client = await running.connect_with_token(f"{prefix}a")
    assert await refusal(client, "hornet:subscribe", {"subscriptions": several}) == "WRONG_PARAMETERS"


async def test_several_subscriptions_need_an_authenticated_session(running: Running) -> None:
    client = await running.connect()
    several = {"subscriptions": [{"channel": "private-a", "signature": "x"}]}
    assert await refusal(client, "hornet:subscribe", several) == "NOT_AUTHENTICATED"


async def test_when_redis_does_not_answer_the_rest_of_several_is_not_tried() -> None:
    calls: list[object] = []

    async def fail(session: Session, args: object) -> object:
        calls.append(args)
        raise RedisUnavailable("away")

    router = Router([EventRoute("subscribe", fail, False, takes_several=True)], Metrics(), SessionLog())
    session = Session("sid", "192.0.2.1", Handshake(None, {}, {}, "192.0.2.1", 4))
    session.move(AuthStep.GRANTED)
    answer = await router.handle(session, "subscribe", ({"subscriptions": [{"channel": "a"}] * 9},))
    assert isinstance(answer, dict)
    assert [result["error"]["code"] for result in answer["subscriptions"]] == ["UNAVAILABLE"] * 9
    assert len(calls) == 1


async def test_a_stock_client_that_subscribes_to_hundreds_of_channels_is_told_and_not_closed(
    start_node: StartNode, prefix: str
) -> None:
    running = await start_node(public_channels=f"{prefix}*")
    client = await running.connect_with_token(f"{prefix}a")
    numbers = [await client.begin("hornet:subscribe", {"channel": f"{prefix}{name}"}) for name in range(300)]
    results = [await client.answer(number) for number in numbers]
    codes = {result["error"]["code"] for result in results if "error" in result}
    assert codes <= {"TOO_MANY_EVENTS"}
    assert sum("ok" in result for result in results) >= 100
    await client.emit("nothing")
    assert await client.ask("hornet:presence", {"channel": f"{prefix}0"}) is not None, "still there"
