"""Commands that backends publish: about tokens and about users."""

import json

import pytest

from hornet.core.backend_commands import (
    CHANNELS_CHANGED,
    DISCONNECT,
    ChannelsChanged,
    DisconnectUser,
    Notify,
    dump_notify,
    parse_control,
    parse_user_command,
)
from hornet.core.errors import InvalidPublish


@pytest.mark.parametrize("tokens", ['["a","b"]', '"a"', "[]"])
def test_disconnect_tokens(tokens: str) -> None:
    command = parse_control(f'{{"type":"disconnect_tokens","tokens":{tokens}}}'.encode())
    assert command.tokens <= {"a", "b"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b"{}", "UNKNOWN_CONTROL"),
        (b'{"type":"reboot"}', "UNKNOWN_CONTROL"),
        (b'{"type":["disconnect_tokens"]}', "UNKNOWN_CONTROL"),
        (b'{"type":"disconnect_tokens"}', "BAD_TOKENS"),
        (b'{"type":"disconnect_tokens","tokens":{"a":1}}', "BAD_TOKENS"),
        (b'{"type":"disconnect_tokens","tokens":["a",1]}', "BAD_TOKENS"),
    ],
)
def test_a_malformed_control_message_is_refused_with_a_code(payload: bytes, code: str) -> None:
    with pytest.raises(InvalidPublish) as refused:
        parse_control(payload)
    assert refused.value.code == code


@pytest.mark.parametrize("payload", [None, {"text": "žluť 🐎"}, [1, 2.5], "text", 7, False])
def test_a_notification_is_read_as_it_was_written(payload: object) -> None:
    assert parse_user_command(dump_notify("order paid", payload).encode()) == Notify("order paid", payload)


def test_a_notification_without_a_payload_has_none() -> None:
    assert parse_user_command(b'{"type":"notify","event":"ping"}') == Notify("ping", None)


def test_the_other_commands_say_only_what_they_are() -> None:
    assert parse_user_command(CHANNELS_CHANGED.encode()) == ChannelsChanged()
    assert parse_user_command(DISCONNECT.encode()) == DisconnectUser()


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", "NOT_JSON"),
        (b"\xff", "NOT_JSON"),
        (b'{"type":"notify","event":"a","payload":NaN}', "NOT_JSON"),
        (b"[]", "NOT_AN_OBJECT"),
        (b"{}", "UNKNOWN_COMMAND"),
        (b'{"type":"reboot"}', "UNKNOWN_COMMAND"),
        (b'{"type":["notify"]}', "UNKNOWN_COMMAND"),
        (b'{"type":"notify"}', "BAD_EVENT"),
        (b'{"type":"notify","event":1}', "BAD_EVENT"),
    ],
)
def test_a_malformed_command_is_refused_with_a_code(payload: bytes, code: str) -> None:
    with pytest.raises(InvalidPublish) as refused:
        parse_user_command(payload)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "event",
    ["", "x" * 129, "\ud800", "connect", "disconnect", "newListener", "message", "user:authenticated",
     "hermes:shutdown", "socket:closed", "hornet:subscribe"],
)  # fmt: skip
def test_an_event_that_clients_or_hornet_keep_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match="event"):
        dump_notify(event, None)
    with pytest.raises(InvalidPublish) as refused:
        parse_user_command(json.dumps({"type": "notify", "event": event}).encode())
    assert refused.value.code == "BAD_EVENT"


@pytest.mark.parametrize("payload", [float("nan"), float("inf")])
def test_a_payload_that_json_can_not_carry_is_refused(payload: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump_notify("a", payload)
