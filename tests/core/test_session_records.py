"""The record of a session, as text and back."""

import json
from dataclasses import replace

import pytest

from hornet.core.messages import Delivery
from hornet.core.session_records import HeldChannel, SessionRecord, digest_pid, dump_record, parse_record

FULL = SessionRecord(
    sid="abc-1",
    user="žofie",
    info={"name": "Ž", "tags": []},
    attributes={"role": "admin"},
    publish=("chat-*", "news"),
    channels={"news": HeldChannel(1, "e1-5-n1-7"), "team:7": HeldChannel(2, "")},
    patterns=("kind:news|channel:*",),
    tokens={"t1": ("news",), "t2": ()},
    delivery=Delivery.EVENT,
)


@pytest.mark.parametrize("record", [FULL, SessionRecord("s")], ids=["full", "bare"])
def test_a_record_is_read_as_it_was_written(record: SessionRecord) -> None:
    assert parse_record(dump_record(record).encode()) == record


@pytest.mark.parametrize(
    "change",
    [
        {"sid": ""},
        {"sid": None},
        {"sid": "x" * 65},
        {"user": ""},
        {"user": 5},
        {"publish": "all"},
        {"publish": [1]},
        {"publish": ["*" * 9]},
        {"channels": []},
        {"channels": {"": {"by": 1, "from": ""}}},
        {"channels": {"a": {"by": 0, "from": ""}}},
        {"channels": {"a": {"by": True, "from": ""}}},
        {"channels": {"a": {"by": 1, "from": "yesterday"}}},
        {"channels": {"a": 1}},
        {"patterns": {"a": 1}},
        {"patterns": [None]},
        {"tokens": {"": []}},
        {"tokens": {"t": "a"}},
        {"tokens": {"t": [""]}},
        {"attributes": {"a": 1}},
        {"delivery": "pigeon"},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_a_record_that_no_node_writes_is_refused(change: dict[str, object]) -> None:
    text = json.dumps({**json.loads(dump_record(FULL)), **change})
    with pytest.raises(ValueError, match=r"."):
        parse_record(text.encode())


@pytest.mark.parametrize("text", ["[]", "", "{", "null"])
def test_what_is_no_object_is_no_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_record(text.encode())


def test_info_that_json_cannot_carry_makes_no_record() -> None:
    with pytest.raises(ValueError, match=r"."):
        dump_record(replace(FULL, info=float("nan")))


def test_a_digest_does_not_tell_the_pid() -> None:
    pid = "p" * 24
    digest = digest_pid(pid)
    assert digest is not None
    assert len(digest) == 32
    assert pid not in digest
    assert digest != digest_pid("q" * 24)


@pytest.mark.parametrize("pid", [None, "", 5, "x" * 129, "ž" * 24, ["p"], "\ud800"], ids=repr)
def test_what_is_no_pid_has_no_digest(pid: object) -> None:
    assert digest_pid(pid) is None
