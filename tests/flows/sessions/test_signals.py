"""Signals: the order of the receivers, and that a receiver that fails does not stop the others."""

import json
import logging

import pytest
from redis.asyncio import Redis

from hornet.flows.sessions.signals import Signal
from tests.flows.auth.user_api import UserApi
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode


def test_receivers_are_called_in_the_order_of_connection() -> None:
    signal: Signal[[int]] = Signal("sample")
    heard: list[str] = []
    signal.connect(lambda number: heard.append(f"first {number}"))
    second = signal.connect(lambda number: heard.append(f"second {number}"))
    signal.send(1)
    signal.disconnect(second)
    signal.send(2)
    assert heard == ["first 1", "second 1", "first 2"]


def test_a_receiver_that_fails_is_logged_and_the_next_is_called(caplog: pytest.LogCaptureFixture) -> None:
    signal: Signal[[]] = Signal("sample")
    heard: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError("a bug of a plug-in")

    signal.connect(fail)
    signal.connect(lambda: heard.append("told"))
    with caplog.at_level(logging.ERROR):
        signal.send()
    assert heard == ["told"]
    assert "a bug of a plug-in" in caplog.text


async def test_a_session_is_opened_joins_leaves_and_is_closed(running: Running, prefix: str) -> None:
    signals = running.node.signals
    heard: list[tuple[str, ...]] = []
    signals.session_opened.connect(lambda session: heard.append(("opened", session.sid)))
    signals.joined.connect(lambda session, channel: heard.append(("joined", session.sid, channel)))
    signals.left.connect(lambda session, channel: heard.append(("left", session.sid, channel)))
    signals.session_closed.connect(lambda session, reason: heard.append(("closed", session.sid, reason)))
    client = await running.connect_with_token(f"{prefix}a")
    sid = client.sid
    await client.leave()
    await running.wait_until_empty()
    assert heard == [
        ("opened", sid),
        ("joined", sid, f"{prefix}a"),
        ("left", sid, f"{prefix}a"),
        ("closed", sid, "transport close"),
    ]


async def test_each_attempt_to_authenticate_is_told_by_the_signal(running: Running, prefix: str) -> None:
    received: list[tuple[str, str | None, bool]] = []
    running.node.signals.user_authenticated.connect(
        lambda session, is_success: received.append((session.sid, session.user, is_success))
    )
    client = await running.connect()
    await client.emit("message", "not JSON")
    await client.show("unknown", f"{prefix}a")
    assert [(await client.message())["error"] for _ in range(2)] == ["WRONG_PARAMETERS", "INVALID_TOKEN"]
    await client.show(await running.create_token(f"{prefix}a"), f"{prefix}a")
    assert (await client.message())["type"] == "connected"
    user = await running.connect_with_token(f"{prefix}a", user="42")
    wrong = await running.connect(auth={"delivery": "pigeon"})
    assert (await wrong.message())["error"] == "WRONG_PARAMETERS"
    assert received == [
        (client.sid, None, False),
        (client.sid, None, False),
        (client.sid, None, True),
        (user.sid, "42", True),
        (wrong.sid, None, False),
    ]


async def test_each_attempt_is_published_for_backends_only_where_that_is_on(
    start_node: StartNode, redis: Redis
) -> None:
    async with UserApi() as api, redis.pubsub() as pubsub:
        await pubsub.subscribe("hornet:events:user:authenticated")
        quiet = await start_node(backend_uri=api.uri)
        await authenticate(await quiet.connect(), "user-7")
        running = await start_node(backend_uri=api.uri, authentication_events=True)
        client = await running.connect()
        await authenticate(client, "status-401")
        await authenticate(client, "user-7")
        await authenticate(client, "user-8")
        received = []
        async for message in pubsub.listen():
            if message["type"] == "message":
                received.append(json.loads(message["data"]))
            if len(received) == 3:
                break
        assert received == [
            {"session": client.sid, "user": None, "success": False},
            {"session": client.sid, "user": "7", "success": True},
            {"session": client.sid, "user": None, "success": False},
        ]


async def authenticate(client: Client, access_token: str) -> None:
    await client.ask("user:authenticate", access_token)
