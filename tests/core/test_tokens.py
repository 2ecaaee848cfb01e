"""Tokens: their alphabet, their length, their randomness."""

import pytest

from hornet.core.tokens import BASE62, create_token, is_token


def test_a_token_has_nine_characters_of_base_62() -> None:
    token = create_token()
    assert len(token) == 9
    assert set(token) <= set(BASE62)


def test_the_length_is_the_callers_choice() -> None:
    assert len(create_token(22)) == 22
    with pytest.raises(ValueError, match="at least one"):
        create_token(0)


def test_tokens_use_the_whole_alphabet_and_do_not_repeat() -> None:
    tokens = [create_token() for _ in range(5000)]
    assert len(set(tokens)) == 5000
    assert set("".join(tokens)) == set(BASE62)


@pytest.mark.parametrize(
    ("value", "good"), [("a", True), ("", False), (None, False), (7, False), ("\ud800", False)]
)
def test_what_may_be_a_token(value: object, good: bool) -> None:
    assert is_token(value) is good
