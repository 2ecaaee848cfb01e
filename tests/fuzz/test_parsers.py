"""Whatever arrives, only the documented errors come out."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hornet.core.control import parse_control
from hornet.core.credentials import parse_credentials, query_fields
from hornet.core.errors import InvalidPublish, RefusedCredentials
from hornet.core.messages import parse_publish
from hornet.core.users import MAX_EVENT_CHARS, Notify, parse_command

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(["type", "only", "except", "channel", "token", "channels", "tokens"])
OBJECTS = st.dictionaries(FIELDS | st.text(max_size=6), JSON | st.just("disconnect_tokens"), max_size=6)
PAYLOADS = st.binary(max_size=200) | (OBJECTS | JSON).map(lambda value: json.dumps(value).encode())


@given(PAYLOADS)
def test_a_publish_is_a_message_or_an_invalid_publish(payload: bytes) -> None:
    try:
        message = parse_publish("c", payload)
    except InvalidPublish:
        return
    assert json.loads(message.message_text())["channel"] == "c"
    assert isinstance(message.event()[0], str)


@given(PAYLOADS)
def test_a_control_message_is_obeyed_or_refused(payload: bytes) -> None:
    try:
        command = parse_control(payload)
    except InvalidPublish:
        return
    assert all(isinstance(token, str) for token in command.tokens)


@given(JSON | OBJECTS | st.text() | st.binary() | OBJECTS.map(json.dumps))
def test_credentials_are_well_formed_or_refused(shown: object) -> None:
    try:
        credentials = parse_credentials(shown)
    except RefusedCredentials:
        return
    assert credentials.channels
    assert all(name.encode() for name in credentials.channels)
    assert credentials.token.encode()


@given(st.dictionaries(FIELDS, st.lists(st.text(), max_size=3), max_size=4))
def test_a_query_string_never_fails(query: dict[str, list[str]]) -> None:
    fields = query_fields(query)
    assert set(fields) <= {"token", "channels", "delivery"}


COMMANDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["notify", "channels", "disconnect"]) | JSON,
        "event": st.text() | JSON,
        "payload": JSON,
    },
)


@given(PAYLOADS | COMMANDS.map(lambda value: json.dumps(value).encode()))
def test_a_command_about_a_user_is_known_or_refused(payload: bytes) -> None:
    try:
        command = parse_command(payload)
    except InvalidPublish:
        return
    if isinstance(command, Notify):
        assert 0 < len(command.event.encode()) <= 4 * MAX_EVENT_CHARS
