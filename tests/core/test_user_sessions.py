"""A user id and a session id, as a client shows them together."""

import pytest

from hornet.core.errors import RefusedCredentials
from hornet.core.user_sessions import UserSession, parse_user_session, shows_user_session


@pytest.mark.parametrize("user", ["42", 42])
def test_a_user_and_a_hash_are_a_user_session(user: object) -> None:
    fields = {"userId": user, "hash": "507909951498732"}
    assert shows_user_session(fields)
    assert parse_user_session(fields) == UserSession("42", "507909951498732")


@pytest.mark.parametrize(
    "fields", [{}, {"userId": 1}, {"hash": "h"}, {"userId": 1, "hash": "h", "token": "t"}]
)
def test_what_is_for_another_way_is_none(fields: dict[str, object]) -> None:
    assert not shows_user_session(fields)


@pytest.mark.parametrize(
    "fields",
    [{"userId": None, "hash": "h"}, {"userId": "", "hash": "h"}, {"userId": 1.5, "hash": "h"},
     {"userId": 1, "hash": None}, {"userId": 1, "hash": ""}, {"userId": 1, "hash": 7},
     {"userId": 1, "hash": "x" * 513}, {"userId": 1, "hash": "\ud800"}, {}],
)  # fmt: skip
def test_what_is_malformed_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(RefusedCredentials) as raised:
        parse_user_session(fields)
    assert raised.value.code == "WRONG_PARAMETERS"


@pytest.mark.parametrize(
    ("registered", "is_it"), [(b"h\xc3\xa9", True), (b"", False), (b"h", False), (b"\xff", False)]
)
def test_only_the_registered_id_matches(registered: bytes, is_it: bool) -> None:
    assert UserSession("1", "hé").matches(registered) is is_it


def test_a_session_id_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(UserSession("1", "secret"))
