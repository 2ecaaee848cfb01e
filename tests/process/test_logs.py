"""The format of a line of the log."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from hornet.flows.sessions.sessions import session_id
from hornet.process.logs import TEXT, HttpFaults, JsonFormatter, TextFormatter, http_faults_counted


def record(message: str, *args: object, failed: bool = False) -> logging.LogRecord:
    error = None
    if failed:
        try:
            raise ValueError("a bug")
        except ValueError:
            error = sys.exc_info()
    return logging.LogRecord("hornet.part", logging.INFO, __file__, 1, message, args, error)


@pytest.fixture
def in_session() -> Iterator[None]:
    token = session_id.set("sid-7")
    yield
    session_id.reset(token)


def test_a_machine_gets_one_object_in_one_line() -> None:
    line = JsonFormatter().format(record("Heard %r\nfrom %s", "é", "x"))
    assert "\n" not in line
    fields = json.loads(line)
    assert datetime.fromisoformat(fields.pop("time")).utcoffset() is not None
    assert fields == {"level": "info", "logger": "hornet.part", "message": "Heard 'é'\nfrom x"}


def test_a_failure_comes_with_its_traceback_in_the_same_line() -> None:
    line = JsonFormatter().format(record("It failed", failed=True))
    assert "\n" not in line
    assert "ValueError: a bug" in json.loads(line)["exception"]


@pytest.mark.usefixtures("in_session")
def test_a_line_about_a_session_names_it() -> None:
    assert json.loads(JsonFormatter().format(record("Refused")))["session"] == "sid-7"
    formatter = TextFormatter(TEXT)
    assert formatter.format(record("Refused")).endswith("hornet.part: Refused (session sid-7)")
    assert formatter.format(record("Session sid-7 closed")).endswith("hornet.part: Session sid-7 closed")


def test_a_line_break_of_a_client_begins_no_line() -> None:
    line = TextFormatter(TEXT).format(record("Origin %s", "x\r\n2026-01-01 ERROR root: forged"))
    assert "\n" not in line
    assert "\r" not in line


def test_a_request_that_breaks_http_is_counted_and_fills_no_log() -> None:
    counted: list[int] = []
    faults = HttpFaults(lambda: counted.append(1))
    broken = record("Error handling request", failed=True)
    broken.exc_info = (BadHttpMessage, BadHttpMessage("bad"), None)
    assert not faults.filter(broken)
    assert counted == [1]
    assert faults.filter(record("Error handling request", failed=True)), "a bug of ours is logged"
    assert faults.filter(record("Anything else"))


def test_the_filter_of_aiohttps_log_is_removed_with_its_server() -> None:
    filters = logging.getLogger("aiohttp.server").filters
    before = list(filters)
    with http_faults_counted(lambda: None):
        assert len(filters) == len(before) + 1
    assert filters == before
