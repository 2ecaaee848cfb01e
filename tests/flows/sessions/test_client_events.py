"""Events that the operator names: from a client to plug-ins by a signal, and to backends through Redis."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from hornet import Config, create_app
from hornet.core.errors import SetupError
from hornet.flows.settings import SessionSettings
from hornet.plugins import Authenticator, Evidence, Grant
from tests.broker.servers import RedisServer
from tests.flows.client import refusal
from tests.flows.conftest import StartNode

EVENT = "test-event"


async def next_event(pubsub: Any) -> Any:
    """Return the channel and the body of the next message."""
    message: dict[str, Any] = {"type": "subscribe"}
    while message["type"] != "message":
        message = await anext(pubsub.listen())
    return message["channel"].decode(), json.loads(message["data"])


async def test_a_named_event_reaches_the_signal_and_is_acknowledged(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT)
    received: list[tuple[str, str, list[object]]] = []
    running.node.signals.client_event.connect(
        lambda session, name, args: received.append((session.sid, name, list(args)))
    )
    client = await running.connect_with_token("a")
    assert await client.ask(EVENT, {"n": 1}, "two") == {"ok": True}
    assert await client.ask(EVENT) == {"ok": True}
    assert received == [(client.sid, EVENT, [{"n": 1}, "two"]), (client.sid, EVENT, [])]


async def test_a_named_event_is_published_for_backends_only_where_that_is_on(
    start_node: StartNode, redis: Redis
) -> None:
    quiet = await start_node(client_events=EVENT)
    running = await start_node(client_events=f"{EVENT},other", publish_client_events=True)
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(f"hornet:events:client:{EVENT}", "hornet:events:client:other")
        await (await quiet.connect_with_token("a")).ask(EVENT, "not published")
        client = await running.connect_with_token("a", user="42")
        guest = await running.connect_with_token("a")
        assert await client.ask(EVENT, {"ü": [1, None]}, "two") == {"ok": True}
        assert await guest.ask("other") == {"ok": True}
        sender = {"session": client.sid, "user": "42", "node": running.node.nodes.id}
        assert await next_event(pubsub) == (
            f"hornet:events:client:{EVENT}",
            {**sender, "args": [{"ü": [1, None]}, "two"]},
        )
        assert await next_event(pubsub) == (
            "hornet:events:client:other",
            {**sender, "session": guest.sid, "user": None, "args": []},
        )


async def test_a_named_event_before_authentication_is_refused(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT)
    received: list[object] = []
    running.node.signals.client_event.connect(lambda *event: received.append(event))
    assert await refusal(await running.connect(), EVENT, 1) == "NOT_AUTHENTICATED"
    assert received == []


async def test_an_event_that_nobody_named_is_unknown(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT)
    assert await refusal(await running.connect_with_token("a"), "test-even", 1) == "UNKNOWN_EVENT"


async def test_published_events_keep_to_the_limits_of_publishing(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT, publish_client_events=True, max_publish=20)
    received: list[object] = []
    running.node.signals.client_event.connect(lambda *event: received.append(event))
    client = await running.connect_with_token("a")
    assert await refusal(client, EVENT, "x" * 20) == "TOO_LARGE"
    assert await refusal(client, EVENT, "\ud800") == "BAD_MESSAGE"
    assert await client.ask(EVENT, "x" * 16) == {"ok": True}
    assert len(received) == 1


async def test_published_events_keep_to_the_longest_message_of_all(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT, publish_client_events=True, max_message=100)
    assert await refusal(await running.connect_with_token("a"), EVENT, "x" * 100) == "TOO_LARGE"


async def test_an_attempt_to_publish_an_event_counts_in_the_rate_before_it_costs_time(
    start_node: StartNode,
) -> None:
    running = await start_node(
        client_events=EVENT, publish_client_events=True, max_publish=20, max_publish_rate=0.5
    )
    received: list[object] = []
    running.node.signals.client_event.connect(lambda *event: received.append(event))
    client = await running.connect_with_token("a")
    answers = [await client.begin(EVENT, "x" * 20) for _ in range(3)]
    first, *_, last = [(await client.answer(answer))["error"]["code"] for answer in answers]
    assert (first, last) == ("TOO_LARGE", "RATE_LIMITED")
    assert received == []


async def test_published_events_keep_to_the_rate_of_publishing(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT, publish_client_events=True, max_publish_rate=0.5)
    received: list[object] = []
    running.node.signals.client_event.connect(lambda *event: received.append(event))
    client = await running.connect_with_token("a")
    answers = [await client.begin(EVENT, "x" * 16) for _ in range(3)]
    first, *_, last = [await client.answer(answer) for answer in answers]
    assert (first, last["error"]["code"]) == ({"ok": True}, "RATE_LIMITED")
    assert 1 <= len(received) < 3


async def test_named_events_count_in_the_rate_of_events(start_node: StartNode) -> None:
    running = await start_node(client_events=EVENT, max_event_rate=1)
    client = await running.connect_with_token("a")
    answers = [await client.begin(EVENT, number) for number in range(3)]
    codes = [(await client.answer(answer)).get("error", {}).get("code") for answer in answers]
    assert codes == [None, None, "TOO_MANY_EVENTS"]


@pytest.mark.parametrize(
    "event",
    [
        *("message", "user:authenticate", "user:logout", "user:authenticated", "socket:closed"),
        *("hermes:shutdown", "hornet:publish", "hornet:mine", "connect", "disconnecting", "x" * 129),
    ],
)
def test_names_of_hornet_and_of_socket_io_are_refused_at_start(event: str) -> None:
    with pytest.raises(ValueError, match="client_events has"):
        SessionSettings(client_events=(event,))


def test_the_event_of_an_authenticator_is_refused_at_start() -> None:
    class ByEvent(Authenticator):
        events = ("log-in",)

        def offer(self, evidence: Evidence) -> object | None:
            return None

        async def check(self, claim: object) -> Grant:
            return Grant()

    with pytest.raises(SetupError, match="'log-in'"):
        create_app(Config(sessions=SessionSettings(client_events=("log-in",))), authenticators=[ByEvent()])


async def test_an_event_is_refused_while_redis_is_away(start_node: StartNode, own_redis: RedisServer) -> None:
    running = await start_node(redis=own_redis.url, client_events=EVENT, publish_client_events=True)
    client = await running.connect_with_token("a")
    received: list[object] = []
    running.node.signals.client_event.connect(lambda *event: received.append(event))
    own_redis.kill()
    assert await refusal(client, EVENT, 1) == "UNAVAILABLE"
    assert received == []
