"""Signals: the order of the receivers, and that a receiver that fails does not stop the others."""

import logging

import pytest

from hornet.flows.sessions.signals import Signal
from tests.flows.conftest import Running


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
