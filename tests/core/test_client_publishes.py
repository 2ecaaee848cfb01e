"""Messages that clients may publish."""

import json
from typing import Any

import pytest

from hornet.core.client_publishes import MAX_TYPE_CHARS, parse_client_publish
from hornet.core.errors import PeerError

PLAIN = {"channel": "chat", "type": "hello", "message": {"text": "hi"}}


def body(user: str | None = None, **changed: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(parse_client_publish({**PLAIN, **changed}).text("SID", user, 1000))
    return parsed


def test_a_message_goes_out_as_a_connector_would_write_it() -> None:
    assert body() == {"type": "hello", "text": "hi"}
    assert body(message=None) == {"type": "hello"}


def test_the_user_in_it_is_the_sessions_and_never_the_clients_claim() -> None:
    assert body("ana", message={"user": "root"}) == {"type": "hello", "user": "ana"}
    assert body(None, message={"user": "root"}) == {"type": "hello"}


def test_the_type_is_the_one_beside_the_message() -> None:
    assert body(message={"type": "presence-add"}) == {"type": "hello"}


def test_a_publisher_that_wants_no_echo_is_excluded_by_its_session() -> None:
    assert body(exclude_self=True) == {"type": "hello", "text": "hi", "except": "SID"}
    assert body(exclude_self=False) == body()


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


NO_CHANNELS: tuple[Any, ...] = (None, "", 7, "hornet", "\ud800", "x" * 513)
NO_TYPES: tuple[Any, ...] = (None, "", 7, "x" * (MAX_TYPE_CHARS + 1), "presence-add", "presence-quit")
NO_MESSAGES: tuple[Any, ...] = ("hi", [], 7, {"only": "t"}, {"except": []})
MALFORMED: list[tuple[Any, str]] = [
    (None, "BAD_MESSAGE"),
    ("chat", "BAD_MESSAGE"),
    *(({**PLAIN, "channel": value}, "BAD_CHANNEL") for value in NO_CHANNELS),
    *(({**PLAIN, "type": value}, "BAD_MESSAGE") for value in NO_TYPES),
    *(({**PLAIN, "message": value}, "BAD_MESSAGE") for value in NO_MESSAGES),
    *(({**PLAIN, "exclude_self": value}, "BAD_MESSAGE") for value in (1, "true", None)),
]


@pytest.mark.parametrize(("shown", "code"), MALFORMED)
def test_malformed_publishes_are_refused(shown: Any, code: str) -> None:
    with pytest.raises(PeerError) as refused:
        parse_client_publish(shown)
    assert refused.value.code == code


@pytest.mark.parametrize("value", [float("inf"), "\ud800", nested(100_000), b"bytes"])
def test_a_message_that_cannot_be_sent_on_is_refused(value: Any) -> None:
    with pytest.raises(PeerError) as refused:
        body(message={"value": value})
    assert refused.value.code == "BAD_MESSAGE"


def test_a_message_that_is_too_long_is_refused() -> None:
    with pytest.raises(PeerError) as refused:
        body(message={"value": "x" * 2000})
    assert refused.value.code == "TOO_LARGE"
