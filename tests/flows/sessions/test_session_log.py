"""The log lines about sessions: what an operator reads when a page is refused, and what a crowd costs."""

import asyncio
import logging

import pytest

from hornet.connector import AsyncConnector
from hornet.engine import Handshake
from hornet.flows.sessions import session_log
from hornet.flows.sessions.session_log import MOST_LINES, SessionLog
from hornet.flows.sessions.sessions import Session
from tests.broker.servers import RedisServer
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.flows.client import refusal
from tests.flows.conftest import Running, StartNode


@pytest.fixture(autouse=True)
def _level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hornet")


def new_session(origin: str = "") -> Session:
    headers = {"origin": origin} if origin else {}
    return Session("sid", "192.0.2.1", Handshake(None, {}, headers, "192.0.2.1", 4))


async def test_of_a_redis_that_is_away_there_is_one_warning_for_all_events_and_attempts(
    start_node: StartNode, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_node(redis=own_redis.url, client_events="bell", publish_client_events=True)
    client = await running.connect_with_token("a")
    own_redis.kill()
    for _ in range(3):
        assert await refusal(client, "bell") == "UNAVAILABLE"
        newcomer = await running.connect(auth={"token": "a" * 30, "channels": ["a"]})
        assert (await newcomer.message())["error"] == "UNAVAILABLE"
    lines = [
        one.getMessage() for one in caplog.records if f"of session {client.sid} failed" in one.getMessage()
    ]
    assert len(lines) == 1
    assert lines[0].startswith("Event 'bell'")
    assert "An attempt to authenticate" not in caplog.text


async def test_a_refused_token_is_logged_with_code_channels_and_origin(
    running: Running, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    client = await running.connect(Origin=running.url)
    await client.show("nosuchtok", f"{prefix}a", f"{prefix}b")
    await client.message()
    line = f"refused: INVALID_TOKEN, channels '{prefix}a', '{prefix}b', origin '{running.url}'"
    assert line in caplog.text
    assert "nosuchtok" not in caplog.text


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        ("not JSON", "refused: WRONG_PARAMETERS, channels -, origin -"),
        ({"token": "t\n", "channels": ["a\nb"]}, r"refused: INVALID_TOKEN, channels 'a\nb', origin -"),
        ({"channels": ["a"]}, "refused: WRONG_PARAMETERS, channels 'a', origin -"),
    ],
)
async def test_malformed_credentials_are_logged_on_one_line(
    running: Running, caplog: pytest.LogCaptureFixture, shown: object, line: str
) -> None:
    client = await running.connect()
    await client.emit("message", shown)
    await client.message()
    assert line in caplog.text


async def test_the_channel_that_a_token_does_not_open_is_named_in_log_and_answer(
    running: Running, valkey: Valkey, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token(f"{prefix}a")
    client = await running.connect()
    await client.show(token, f"{prefix}a", f"{prefix}b", f"{prefix}c")
    answer = await client.message()
    assert list(answer) == ["type", "channel", "error", "errorMsg", "channels"]
    assert answer["channels"] == [f"{prefix}b", f"{prefix}c"]
    assert f"refused: WRONG_TOKEN_ASSOCIATION, channels '{prefix}b', '{prefix}c'" in caplog.text


async def test_a_session_that_is_in_is_logged_with_user_and_channels(
    running: Running, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    await running.connect_with_token(f"{prefix}a", user="ana")
    assert f"is in: user 'ana', channels '{prefix}a'" in caplog.text
    await running.connect_with_token(f"{prefix}b")
    assert f"is in: a guest, channels '{prefix}b'" in caplog.text


async def test_a_refused_subscription_is_logged_with_its_channel(
    running: Running, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    client = await running.connect_with_token(f"{prefix}a")
    await client.ask("hornet:subscribe", {"channel": f"{prefix}b"})
    assert f"refused: FORBIDDEN, channels '{prefix}b', origin -, event 'hornet:subscribe'" in caplog.text


async def test_the_code_is_the_reason_of_the_end(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_node(auth_timeout_s=0.1)
    reasons: list[str] = []
    running.node.signals.session_closed.connect(lambda session, reason: reasons.append(reason))
    client = await running.connect()
    await client.closed()
    await running.wait_until_empty()
    assert reasons == ["AUTHENTICATION_TIMEOUT"]
    assert f"Session {client.sid} closed: AUTHENTICATION_TIMEOUT" in caplog.text


async def test_a_crowd_is_summarised(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_log, "EVERY_S", 0.05)
    writes, session = SessionLog(), new_session()
    for _ in range(MOST_LINES + 20):
        writes.opened(session)
        writes.refused(session, "INVALID_TOKEN", ())
    for _ in range(3):
        writes.refused(session, "FORBIDDEN", ())

    async def summaries() -> list[str]:
        return [text for text in caplog.messages if text.startswith("Further sessions")]

    await eventually(summaries, ["Further sessions in the last 0.05 s: 20 opened, 20 refused: INVALID_TOKEN"])
    assert len(caplog.messages) == 2 * MOST_LINES + 3 + 1
    writes.opened(session)
    await asyncio.sleep(0)
    assert caplog.messages[-1] == "Session sid opened from 192.0.2.1"


async def test_a_line_holds_little_of_what_a_client_chose(caplog: pytest.LogCaptureFixture) -> None:
    writes = SessionLog()
    writes.refused(new_session("o" * 9000), "BAD_CHANNEL", ["c" * 9000] * 90, "e" * 9000)
    [line] = caplog.messages
    assert len(line) < 700
    assert "and 85 more" in line
