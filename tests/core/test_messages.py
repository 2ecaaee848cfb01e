"""Published messages: valid and malformed ones, and the text that a client gets."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from hornet.core.errors import InvalidPublish
from hornet.core.messages import MAX_DEPTH, RESERVED_EVENTS, Message, parse_pattern_publish, parse_publish


def test_channel_is_added_and_the_rest_is_kept() -> None:
    message = parse_publish("news", b'{"type":"hello","text":"h\xc3\xa9","n":[1,2.5,null,true]}')
    assert json.loads(message.message_text()) == {
        "type": "hello", "text": "hé", "n": [1, 2.5, None, True], "channel": "news",
    }  # fmt: skip


def test_the_text_is_what_a_browser_would_write() -> None:
    message = parse_publish("news", b'{ "type": "hello",  "text": "h\\u00e9\\ud83d\\ude00" }')
    assert message.message_text() == '{"type":"hello","text":"hé😀","channel":"news"}'


def test_a_channel_in_the_payload_does_not_forge_another() -> None:
    assert parse_publish("a", b'{"type":"x","channel":"b"}').body["channel"] == "a"


def test_a_lone_surrogate_survives_as_an_escape_for_the_engine() -> None:
    assert "\ud800" in parse_publish("a", b'{"type":"x","text":"\\ud800"}').message_text()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "NOT_JSON"),
        (b"hello", "NOT_JSON"),
        (b'{"type":"x"', "NOT_JSON"),
        (b'{"type":"x","n":NaN}', "NOT_JSON"),
        (b'{"type":"x","n":Infinity}', "NOT_JSON"),
        (b'{"type":"x","n":-Infinity}', "NOT_JSON"),
        (b'{"type":"x","n":1e999}', "NOT_JSON"),
        (b'{"type":"x","n":' + b"9" * 5000 + b"}", "NOT_JSON"),
        (b'{"type":"\xff"}', "NOT_JSON"),
        (b'{"type":"x","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b'"text"', "NOT_AN_OBJECT"),
        (b"null", "NOT_AN_OBJECT"),
        (b"{}", "NO_TYPE"),
        (b'{"type":null}', "NO_TYPE"),
        (b'{"type":7}', "NO_TYPE"),
        (b'{"type":"x","only":7}', "BAD_ADDRESS"),
        (b'{"type":"x","only":{"a":1}}', "BAD_ADDRESS"),
        (b'{"type":"x","only":["a",7]}', "BAD_ADDRESS"),
        (b'{"type":"x","only":"[a"}', "BAD_ADDRESS"),
        (b'{"type":"x","except":true}', "BAD_ADDRESS"),
    ],
)
def test_a_malformed_publish_is_refused_with_a_code(payload: bytes, code: str) -> None:
    with pytest.raises(InvalidPublish) as refused:
        parse_publish("news", payload)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("given", "only"),
    [
        ("", None),
        (',"only":null', None),
        (',"only":"t1"', {"t1"}),
        (',"only":["t1","t2"]', {"t1", "t2"}),
        (',"only":[]', set()),
        (',"only":"[\\"t1\\",\\"t2\\"]"', {"t1", "t2"}),
    ],
)
def test_only_is_a_token_or_a_list_of_tokens(given: str, only: set[str] | None) -> None:
    message = parse_publish("news", f'{{"type":"x"{given}}}'.encode())
    assert message.only == only


def test_except_is_read_like_only_and_absent_means_no_session() -> None:
    assert parse_publish("news", b'{"type":"x","except":"t1"}').exclude == {"t1"}
    assert parse_publish("news", b'{"type":"x"}').exclude == frozenset()


def test_the_tokens_of_others_are_not_delivered() -> None:
    message = parse_publish("news", b'{"type":"x","only":["t1"],"except":"t2"}')
    assert message.message_text() == '{"type":"x","channel":"news"}'


def test_event_delivery_names_the_event_by_the_type() -> None:
    assert parse_publish("news", b'{"type":"hello"}').event() == (
        "hello",
        {"type": "hello", "channel": "news"},
    )


@pytest.mark.parametrize("kind", sorted(RESERVED_EVENTS))
def test_a_type_that_clients_reserve_comes_as_event_message(kind: str) -> None:
    name, argument = parse_publish("news", json.dumps({"type": kind}).encode()).event()
    assert name == "message"
    assert argument == {"type": kind, "channel": "news"}


def test_a_copy_with_another_body_has_the_text_of_that() -> None:
    message = parse_publish("news", b'{"type":"x"}')
    copy = replace(message, body={**message.body, "pattern": "a:*"})
    assert json.loads(copy.message_text()) == {"type": "x", "channel": "news", "pattern": "a:*"}


@pytest.mark.parametrize(
    "payload",
    ['"a"', '""', "7", "-0.5", "null", "true", "false", "[]", '[1,"a",{}]', "{}", '{"a":1}', '{"type":5}',
     '{"type":null,"only":["t"]}', '{"a":{"b":[{"type":"x"}]}}', '"\\ud800"'],
)  # fmt: skip
def test_any_json_on_a_patterns_topic_is_carried_as_a_payload(payload: str) -> None:
    message = parse_pattern_publish("kind:news", payload.encode())
    assert json.loads(message.message_text()) == {
        "type": "payload", "payload": json.loads(payload), "channel": "kind:news",
    }  # fmt: skip
    assert message.event() == ("payload", message.body)
    assert (message.only, message.exclude, message.published) == (None, frozenset(), payload.encode())


def test_a_message_on_a_patterns_topic_is_read_as_on_a_channel() -> None:
    payload = b'{"type":"x","n":1,"only":"t","except":["u"]}'
    message, on_channel = parse_pattern_publish("kind:news", payload), parse_publish("kind:news", payload)
    assert message.message_text() == on_channel.message_text()
    assert (message.only, message.exclude) == (on_channel.only, on_channel.exclude)
    assert message.published == on_channel.published == payload


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "NOT_JSON"),
        (b"hello", "NOT_JSON"),
        (b"NaN", "NOT_JSON"),
        (b"[1,-Infinity]", "NOT_JSON"),
        (b"1e999", "NOT_JSON"),
        (b'"\xff"', "NOT_JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "NOT_JSON"),
        (b'{"type":"x","only":7}', "BAD_ADDRESS"),
    ],
)
def test_what_is_no_json_is_refused_on_a_patterns_topic_too(payload: bytes, code: str) -> None:
    with pytest.raises(InvalidPublish) as refused:
        parse_pattern_publish("kind:news", payload)
    assert refused.value.code == code


@pytest.mark.parametrize("parse", [parse_publish, parse_pattern_publish])
def test_a_publish_is_nested_so_deep_and_no_deeper(parse: Callable[[str, bytes], Message]) -> None:
    def nested(levels: int) -> bytes:
        return b'{"type":"x","v":' + b"[" * levels + b"]" * levels + b"}"

    parse("kind:news", nested(MAX_DEPTH - 1)).message_text()
    parse("kind:news", b'{"type":"x","v":[' + b"[]," * 1000 + b"{}]}")
    with pytest.raises(InvalidPublish, match="NOT_JSON"):
        parse("kind:news", nested(MAX_DEPTH))
