"""Any input to a parser yields a value or one of its documented errors."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hornet.core.access_tokens import parse_access_token, parse_profile
from hornet.core.addresses import HOPS, client_address, parse_networks
from hornet.core.backend_commands import MAX_EVENT_CHARS, Notify, parse_control, parse_user_command
from hornet.core.credentials import parse_credentials, query_fields, read_fields
from hornet.core.errors import InvalidPublish, RefusedCredentials
from hornet.core.grants import check_grant
from hornet.core.messages import parse_publish
from hornet.core.user_sessions import parse_user_session

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(["type", "only", "except", "channel", "token", "channels", "tokens"])
PROOFS = st.sampled_from(["userId", "hash", "id", "access_token", "accessToken"])
PROXIES = parse_networks(["0.0.0.0/0", "::/0"])
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
    assert all(name.encode() for name in credentials.channels)
    assert credentials.token.encode()


@given(st.dictionaries(FIELDS, st.lists(st.text(), max_size=3), max_size=4))
def test_a_query_string_never_fails(query: dict[str, list[str]]) -> None:
    fields = query_fields(query)
    assert set(fields) <= {"token", "channels", "delivery"}


@given(JSON | st.dictionaries(PROOFS, JSON))
def test_an_access_token_fits_into_a_header_or_is_refused(shown: object) -> None:
    try:
        token = parse_access_token(shown)
    except RefusedCredentials:
        return
    assert token.isascii()
    assert token.isprintable()


@given(st.dictionaries(PROOFS, JSON).map(lambda value: json.dumps(value).encode()) | PAYLOADS)
def test_a_profile_is_a_grant_or_a_value_error(body: bytes) -> None:
    try:
        grant = parse_profile(body, "id", ["*"])
    except ValueError:
        return
    check_grant(grant)


@given(JSON | st.dictionaries(PROOFS, JSON) | st.dictionaries(PROOFS, JSON).map(json.dumps))
def test_a_user_session_can_be_looked_up_or_is_refused(shown: object) -> None:
    try:
        claim = parse_user_session(read_fields(shown))
    except RefusedCredentials:
        return
    assert claim.user.encode()
    assert not claim.matches(b"")


@given(st.sampled_from(sorted(HOPS)), st.text('for=by;,"\\[]:. 0123456789abc', max_size=80) | st.text())
def test_what_proxies_say_never_fails(header: str, text: str) -> None:
    assert client_address("10.0.0.1", HOPS[header](text), PROXIES)


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
        command = parse_user_command(payload)
    except InvalidPublish:
        return
    if isinstance(command, Notify):
        assert 0 < len(command.event.encode()) <= 4 * MAX_EVENT_CHARS
