"""The shapes in which a client may show its credentials."""

from typing import Any

import pytest

from hornet.core.credentials import (
    MAX_CHANNELS,
    parse_credentials,
    parse_delivery,
    query_fields,
    shows_credentials,
)
from hornet.core.errors import RefusedCredentials
from hornet.core.messages import Delivery


@pytest.mark.parametrize(
    ("shown", "channels"),
    [
        ('{"token":"t","channels":["a","b"]}', ("a", "b")),
        ('{"token":"t","channel":"a"}', ("a",)),
        ({"token": "t", "channels": ["a", "b"]}, ("a", "b")),
        ({"token": "t", "channels": "abc"}, ("abc",)),
        ({"token": "t", "channel": ["a", "b"]}, ("a", "b")),
        ({"token": "t", "channels": ["a", "b", "a"]}, ("a", "b")),
        ({"token": "t", "channels": [42]}, ("42",)),
        ({"token": "t", "channel": "room:7:été"}, ("room:7:été",)),
        ({"token": "t", "channels": ["a"], "channel": "b"}, ("a",)),
        ({"token": "t", "channels": ["a"], "more": 1}, ("a",)),
        ({"token": "t", "channels": []}, ()),
    ],
)
def test_good_credentials(shown: object, channels: tuple[str, ...]) -> None:
    credentials = parse_credentials(shown)
    assert credentials.token == "t"
    assert credentials.channels == channels


MALFORMED: list[Any] = [
    *(None, 7, True, [], b"{}", "", "token", "null", "[]", '"t"', "NaN", '{"token":"t"', "[" * 100_000),
    {},
    {"token": "t"},
    {"channels": ["a"]},
    *({"token": token, "channels": ["a"]} for token in ("", 7, ["t"], None, "t\ud800", "t" * 513)),
    *({"token": "t", "channels": [name]} for name in ("", None, ["a"], True, "\udfff", "a" * 513)),
    *({"token": "t", "channels": wanted} for wanted in ({"a": 1}, True, 1.5)),
    {"token": "t", "channels": [f"c{n}" for n in range(MAX_CHANNELS + 1)]},
]


@pytest.mark.parametrize("shown", MALFORMED)
def test_wrong_parameters(shown: object) -> None:
    with pytest.raises(RefusedCredentials) as refused:
        parse_credentials(shown)
    assert refused.value.code == "WRONG_PARAMETERS"


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({}, {}),
        ({"EIO": ["4"], "transport": ["polling"]}, {}),
        ({"token": ["t"], "channels": ["a,b"]}, {"token": "t", "channels": ["a", "b"]}),
        ({"token": ["t"], "channels": ["a", "b"]}, {"token": "t", "channels": ["a", "b"]}),
        ({"token": ["t"], "channels": ['["a,b","c"]']}, {"token": "t", "channels": ["a,b", "c"]}),
        ({"token": ["t"], "channels": ["[odd"]}, {"token": "t", "channels": ["[odd"]}),
        ({"token": ["t"], "channel": ["a,b"]}, {"token": "t", "channels": ["a,b"]}),
        ({"token": ["x", "t"]}, {"token": "t"}),
        ({"delivery": ["event"]}, {"delivery": "event"}),
    ],
)
def test_the_query_string_carries_the_same_fields(
    query: dict[str, list[str]], fields: dict[str, object]
) -> None:
    assert query_fields(query) == fields


@pytest.mark.parametrize(
    ("shown", "shows"),
    [(None, False), ({}, False), ({"x": 1}, False), ({"token": "t"}, True), ({"channel": "a"}, True)],
)
def test_silence_is_no_attempt(shown: object, shows: bool) -> None:
    assert shows_credentials(shown) is shows


def test_delivery_is_asked_for_by_name() -> None:
    assert parse_delivery({"delivery": "event"}, Delivery.MESSAGE) is Delivery.EVENT
    assert parse_delivery({"delivery": "message"}, Delivery.EVENT) is Delivery.MESSAGE
    assert parse_delivery({}, Delivery.MESSAGE) is Delivery.MESSAGE
    assert parse_delivery(None, Delivery.EVENT) is Delivery.EVENT


@pytest.mark.parametrize("wanted", ["events", "", 7, ["event"], {}])
def test_an_unknown_delivery_is_refused(wanted: object) -> None:
    with pytest.raises(RefusedCredentials) as refused:
        parse_delivery({"delivery": wanted}, Delivery.MESSAGE)
    assert refused.value.code == "WRONG_PARAMETERS"
