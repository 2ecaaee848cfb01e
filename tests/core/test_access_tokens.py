"""Access tokens as clients show them, and users as backends describe them."""

import json

import pytest

from hornet.core.access_tokens import parse_access_token, parse_profile
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant


@pytest.mark.parametrize(
    "shown", ["aB3.-_~+/==", {"access_token": "aB3.-_~+/=="}, {"accessToken": "aB3.-_~+/==", "more": 1}]
)
def test_a_token_is_text_or_in_an_object(shown: object) -> None:
    assert parse_access_token(shown) == "aB3.-_~+/=="


@pytest.mark.parametrize(
    "shown",
    ["", "a b", "a\r\nX-Admin: 1", "ž", "\x00", "x" * 4097, None, 7, [], ["t"], {}, {"token": "t"},
     {"access_token": None}, {"access_token": {}}],
)  # fmt: skip
def test_what_can_be_no_token_is_refused(shown: object) -> None:
    with pytest.raises(RefusedCredentials) as raised:
        parse_access_token(shown)
    assert raised.value.code == "WRONG_PARAMETERS"


@pytest.mark.parametrize(
    ("fields", "info"),
    [((), None), (("name",), {"name": "Ana"}), (("name", "none"), {"name": "Ana"}), (("none",), None)],
)
def test_only_the_named_fields_become_info(fields: tuple[str, ...], info: object) -> None:
    body = b'{"id": 42, "name": "Ana", "email": "ana@example.com"}'
    assert parse_profile(body, "id", fields) == Grant("42", info)


def test_a_star_makes_the_whole_answer_info() -> None:
    assert parse_profile(b'{"sub": "ana", "a": [1]}', "sub", ["*"]) == Grant("ana", {"sub": "ana", "a": [1]})


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"42"', b"<html>", b"\xff", b"{}", b'{"id": null}', b'{"id": ""}', b'{"id": true}',
     b'{"id": 1.5}', b'{"id": {}}', b'{"id": "\\ud800"}', b'{"id": NaN}', b"[" * 100_000,
     json.dumps({"id": "x" * 257}).encode()],
)  # fmt: skip
def test_an_answer_without_a_user_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_profile(body, "id", ())
