"""What clients may ask of the past, and whom a recorded message is for."""

import pytest

from hornet.core import codes
from hornet.core.errors import PeerError
from hornet.core.history import Offset, StreamPosition
from hornet.core.jsontext import dump_json
from hornet.core.messages import parse_publish
from hornet.core.past import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    PageRequest,
    Rewind,
    is_for,
    parse_page_request,
    parse_recorded,
    parse_rewind,
)

POSITION = StreamPosition("a1", 7)


def refused(request: object) -> str:
    with pytest.raises(PeerError) as caught:
        parse_page_request(request)
    return caught.value.code


def test_a_page_has_a_hundred_messages_from_the_oldest_on_unless_the_client_says_otherwise() -> None:
    assert parse_page_request({"channel": "news"}) == PageRequest(channel="news", limit=DEFAULT_LIMIT)
    request = {"channel": "news", "limit": 3, "since": "a1-7", "before": "a1-9-node-4", "order": "desc"}
    assert parse_page_request(request) == PageRequest(
        channel="news", limit=3, since=POSITION, before=StreamPosition("a1", 9), newest_first=True
    )


@pytest.mark.parametrize("limit", [0, -1, MAX_LIMIT + 1, 1.0, True, "3", [3]])
def test_a_limit_is_a_whole_number_within_bounds(limit: object) -> None:
    assert refused({"channel": "news", "limit": limit}) == codes.WRONG_PARAMETERS
    with pytest.raises(PeerError) as caught:
        parse_rewind({"rewind": limit})
    assert caught.value.code == codes.WRONG_PARAMETERS


@pytest.mark.parametrize("position", ["", "a1", "a1-", "-7", "A1-7", "a1-7 ", 7, ["a1-7"], "a1-" + "7" * 17])
def test_what_is_no_position_is_refused_by_its_own_code(position: object) -> None:
    assert refused({"channel": "news", "since": position}) == codes.BAD_POSITION
    assert refused({"channel": "news", "before": position}) == codes.BAD_POSITION
    with pytest.raises(PeerError) as caught:
        parse_rewind({"since": position})
    assert caught.value.code == codes.BAD_POSITION


@pytest.mark.parametrize("request_", [None, [], "news", {}, {"limit": 3}])
def test_what_names_no_channel_is_no_request(request_: object) -> None:
    assert refused(request_) == codes.WRONG_PARAMETERS


def test_an_order_is_one_of_two_words() -> None:
    assert parse_page_request({"channel": "news", "order": "asc"}).newest_first is False
    assert refused({"channel": "news", "order": "newest"}) == codes.WRONG_PARAMETERS


def test_a_subscription_rewinds_by_a_number_or_to_a_position_but_not_both() -> None:
    assert parse_rewind({"channel": "news"}) is None
    assert parse_rewind({"rewind": 5, "since": None}) == Rewind(count=5)
    assert parse_rewind({"since": "a1-7"}) == Rewind(since=POSITION)
    offset = Offset("a1", 7, "node", 4)
    assert parse_rewind({"since": str(offset)}) == Rewind(since=POSITION, offset=offset)
    with pytest.raises(PeerError) as caught:
        parse_rewind({"rewind": 5, "since": "a1-7"})
    assert caught.value.code == codes.WRONG_PARAMETERS


@pytest.mark.parametrize(
    ("addresses", "is_receiver"),
    [
        ({}, True),
        ({"only": "token"}, True),
        ({"only": ["sid", "x"]}, True),
        ({"only": "x"}, False),
        ({"only": []}, False),
        ({"except": "sid"}, False),
        ({"except": ["x"]}, True),
        ({"only": "sid", "except": "token"}, False),
    ],
)
def test_only_and_except_hold_for_the_past_as_well(addresses: dict[str, object], is_receiver: bool) -> None:
    message = parse_publish("news", dump_json({"type": "t", **addresses}).encode())
    assert is_for(message, {"sid", "token"}) is is_receiver


def test_a_recorded_message_that_nodes_dropped_is_not_told_later() -> None:
    assert parse_recorded("news", b'{"no":"type"}') is None
    message = parse_recorded("news", b'{"type":"t","only":["x"]}')
    assert message is not None
    assert message.body == {"type": "t", "channel": "news"}
