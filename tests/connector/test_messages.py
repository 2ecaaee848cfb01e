"""What a message may hold, and where it may go: the same for both connectors, through Redis and over HTTP."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from hornet.broker.keys import channel_topic, user_topic
from hornet.connector import MessageTooLarge
from hornet.core.patterns import parse_publication
from tests.broker.test_subscriber import Heard, listening
from tests.conftest import Valkey
from tests.connector.shapes import Make, Shape

FURTHER: list[tuple[object, str]] = [
    (datetime(2026, 11, 30, 20, 15, 0, 500, UTC), '"2026-11-30T20:15:00.000500+00:00"'),
    (datetime(2026, 11, 30, 20, 15), '"2026-11-30T20:15:00"'),
    (date(2026, 11, 30), '"2026-11-30"'),
    (time(20, 15), '"20:15:00"'),
    (UUID("12345678-1234-5678-1234-567812345678"), '"12345678-1234-5678-1234-567812345678"'),
    (Decimal("19.99"), "19.99"),
    (Decimal("12345678901234567890"), "12345678901234567890"),
    (Decimal("10.00"), "10"),
    (Decimal("-0"), "0"),
    (Decimal("1e25"), "10000000000000000000000000"),
    (Decimal("1e-7"), "1e-07"),
    ((1, 2), "[1,2]"),
]
"""Values of Python that JSON has no form for, with the text that is sent."""

WITHOUT_A_FORM: list[object] = [
    object(),
    {1, 2},
    b"bytes",
    timedelta(1),
    1j,
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("1e400"),
    float("nan"),
    {UUID(int=1): 1},
    {(1, 2): 1},
    datetime,
]


@pytest.fixture
async def connector(make: Make, valkey: Valkey) -> AsyncIterator[Shape]:
    connector = make(valkey.url)
    yield connector
    await connector.close()


@pytest.mark.parametrize(("value", "text"), FURTHER)
async def test_dates_times_uuids_and_decimals_are_sent_as_documented(
    connector: Shape, valkey: Valkey, redis: Redis, prefix: str, value: object, text: str
) -> None:
    heard = Heard()
    topics = channel_topic(prefix), user_topic(prefix), parse_publication({"key": prefix})
    async with listening(valkey.url, heard) as subscriber:
        for topic in topics:
            await subscriber.subscribe(topic)
        assert await connector.publish(prefix, "news", {"value": value}) == 1
        assert await connector.notify(prefix, "news", [value]) == 1
        assert await connector.publish_to_pattern({"key": prefix}, {"value": value}) == 1
        texts = [(await heard.next_published())[1].decode() for _ in topics]
    assert all(text in sent for sent in texts), texts


@pytest.mark.parametrize("value", WITHOUT_A_FORM, ids=lambda value: type(value).__name__)
async def test_a_value_that_json_has_no_form_for_is_a_value_error_and_nothing_is_sent(
    connector: Shape, valkey: Valkey, prefix: str, value: object
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        for topic in (channel_topic(prefix), user_topic(prefix), parse_publication({"key": prefix})):
            await subscriber.subscribe(topic)
        with pytest.raises(ValueError, match=r"JSON|keys must be|convert"):
            await connector.publish(prefix, "news", {"value": value})
        with pytest.raises(ValueError, match=r"JSON|keys must be|convert"):
            await connector.notify(prefix, "news", [value])
        with pytest.raises(ValueError, match=r"JSON|keys must be|convert"):
            await connector.publish_to_pattern({"key": prefix}, value)
        await connector.publish(prefix, "last")
        assert json.loads((await heard.next_published())[1])["type"] == "last"


@pytest.mark.parametrize("payload", ["text", 1, None, True, [1], {"a": {"b": 2}}, {"type": 5}])
async def test_any_json_goes_to_a_pattern_in_whichever_order_its_keys_are_given(
    connector: Shape, valkey: Valkey, prefix: str, payload: Any
) -> None:
    heard = Heard()
    async with listening(valkey.url, heard) as subscriber:
        await subscriber.subscribe(f"channel:{prefix}%3A|kind:news|year:2026")
        pattern = {"year": 2026, "kind": "news", "channel": f"{prefix}:"}
        assert await connector.publish_to_pattern(pattern, payload) == 1
        assert json.loads((await heard.next_published())[1]) == payload


@pytest.mark.parametrize(
    "pattern",
    [{}, {"kind": "*"}, {"hornet": "x"}, {"": "x"}, {"kind": 1.5}, {"kind": "x" * 513}, "kind:news"],
)
async def test_a_malformed_pattern_is_a_value_error(connector: Shape, pattern: Any) -> None:
    with pytest.raises(ValueError, match=r"pattern|publication|reserved|key"):
        await connector.publish_to_pattern(pattern, "x")


@pytest.mark.parametrize("channels", ["hornet", ("a", "hornet")])
async def test_the_reserved_channel_can_not_be_published_on(connector: Shape, channels: Any) -> None:
    with pytest.raises(ValueError, match="'hornet' is reserved"):
        await connector.publish(channels, "disconnect_tokens", {"tokens": ["a"]})


@pytest.mark.parametrize("message", ["text", 5, ["a"]])
async def test_a_message_that_is_no_object_is_a_value_error(
    connector: Shape, prefix: str, message: Any
) -> None:
    with pytest.raises(
        ValueError, match=r"a message is an object with fields, such as .*, not a (str|int|list)"
    ):
        await connector.publish(prefix, "news", message)


async def test_a_wildcard_among_the_channels_of_a_token_is_refused_but_not_a_pattern(
    connector: Shape, redis: Redis, prefix: str
) -> None:
    with pytest.raises(ValueError, match="only 'publish' takes wildcards"):
        await connector.create_access_token([prefix, f"{prefix}-*"])
    token = await connector.create_access_token([f"kind:{prefix}|*"])
    assert await redis.smembers(f"hornet:token:{token}") == {f"kind:{prefix}|*".encode()}


async def test_a_message_has_a_greatest_length(make: Make, valkey: Valkey, prefix: str) -> None:
    connector = make(valkey.url, max_message_bytes=100)
    for call in (
        connector.publish(prefix, "news", {"text": "é" * 50}),
        connector.notify(prefix, "news", "x" * 100),
        connector.publish_to_pattern({"key": prefix}, "x" * 100),
    ):
        with pytest.raises(MessageTooLarge, match="more than 100"):
            await call
    assert await connector.publish(prefix, "news", {"text": "x" * 50}) == 0
    await connector.close()
