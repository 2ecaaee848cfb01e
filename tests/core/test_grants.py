"""Grants, as connectors of any language write them beside a token."""

import json
from typing import Any

import pytest

from hornet.core.channels import MAX_CHANNEL_CHARS, MAX_PUBLISH_NAMES, MAX_WILDCARDS
from hornet.core.grants import MAX_GRANT_BYTES, MAX_USER_CHARS, Grant, dump_grant, parse_grant, parse_user_id


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("{}", Grant()),
        ('{"user": "ana"}', Grant("ana")),
        ('{"user": 7}', Grant("7")),
        ('{"user": null, "info": {"name": "Ana"}}', Grant(info={"name": "Ana"})),
        ('{"user": "žofie", "publish": ["a", "chat-*"]}', Grant("žofie", publish=("a", "chat-*"))),
        ('{"user": "ana", "more": 1}', Grant("ana")),
    ],
)
def test_good_grants(text: str, grant: Grant) -> None:
    assert parse_grant(text.encode()) == grant


MALFORMED = (
    *("", "{", "[]", "7", "NaN", '{"user": ""}', '{"user": 1.5}', '{"user": true}', '{"user": ["ana"]}'),
    *('{"user": "\\ud800"}', '{"publish": "a"}', '{"publish": [1]}', '{"publish": null}'),
    '{"info": "' + "x" * MAX_GRANT_BYTES + '"}',
    json.dumps({"publish": ["a"] * (MAX_PUBLISH_NAMES + 1)}),
    json.dumps({"publish": ["a", "*a" * (MAX_WILDCARDS + 1)]}),
    json.dumps({"publish": ["a" * (MAX_CHANNEL_CHARS + 1)]}),
    '{"user": "' + "x" * (MAX_USER_CHARS + 1) + '"}',
)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_grants_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the reason is one for each case
        parse_grant(text.encode())


@pytest.mark.parametrize("grant", [Grant("ana"), Grant("1", [1, {"a": None}]), Grant("ž", 0, publish=("a",))])
def test_what_is_written_is_read(grant: Grant) -> None:
    assert parse_grant(dump_grant(grant).encode()) == grant


def test_a_grant_of_channels_alone_needs_no_text() -> None:
    assert dump_grant(Grant(channels=("a", "b"))) == ""


@pytest.mark.parametrize("info", [float("nan"), object(), "x" * MAX_GRANT_BYTES])
def test_info_that_cannot_be_kept_is_refused(info: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        dump_grant(Grant("ana", info))


def test_a_grant_with_too_many_wildcards_in_a_name_is_not_written() -> None:
    with pytest.raises(ValueError, match="publish"):
        dump_grant(Grant("ana", publish=("*a" * (MAX_WILDCARDS + 1),)))
    assert dump_grant(Grant(publish=("*a" * MAX_WILDCARDS,)))


def test_a_numeric_id_is_its_digits() -> None:
    assert parse_user_id(json.loads("12345678901234567890")) == "12345678901234567890"
