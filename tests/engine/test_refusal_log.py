"""Warnings about refusals: with advice for the operator, and not for each refusal of a flood."""

import asyncio
import logging

import pytest

from hornet.core import codes
from hornet.engine.transport.refusal_log import ADVICE, EVERY_S, ThrottledLog


async def test_a_refusal_is_logged_with_its_advice_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, loop = ThrottledLog(), asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            log.log_refusal(codes.ADDRESS_FULL, "192.0.2.1")
        assert [record.getMessage() for record in caplog.records] == [
            f"Refused 192.0.2.1: ADDRESS_FULL. {ADVICE[codes.ADDRESS_FULL]}"
        ]
        now += EVERY_S
        log.log_refusal(codes.ADDRESS_FULL, "192.0.2.2")
    assert len(caplog.records) == 2


async def test_each_code_is_throttled_by_itself() -> None:
    log = ThrottledLog()
    assert log.is_due(codes.ADDRESS_FULL)
    assert log.is_due(codes.SERVER_FULL)
    assert not log.is_due(codes.ADDRESS_FULL)


async def test_a_refusal_that_is_the_fault_of_the_client_is_not_logged() -> None:
    assert not ThrottledLog().is_due(codes.HANDSHAKE_TIMEOUT)


@pytest.mark.parametrize("code", ADVICE)
def test_there_is_advice_only_for_codes_of_connections(code: str) -> None:
    assert code in codes.CONNECTIONS
