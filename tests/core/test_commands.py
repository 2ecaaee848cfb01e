"""Commands as plug-ins declare them, and the requests of clients for them."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import pytest

from hornet.core.commands import (
    MAX_DETAIL_CHARS,
    MAX_NAME_CHARS,
    Command,
    CommandError,
    Context,
    command,
    is_command_name,
    parse_call,
)
from hornet.core.errors import PeerError


@dataclass
class Point:
    x: int
    y: int = 0


async def idle(context: Context, data: Any) -> None:
    """A command that does nothing."""


def test_the_decorator_makes_a_command_of_a_function() -> None:
    assert command()(idle) == Command(idle)
    assert Command(idle).needs_authentication


@pytest.mark.parametrize("run", [lambda context, data: None, None, Point], ids=["function", "None", "class"])
def test_only_async_functions_are_commands(run: Any) -> None:
    with pytest.raises(TypeError, match="async def"):
        Command(run)


def test_without_a_validator_all_data_passes() -> None:
    assert Command(idle).check({"any": ["thing"]}) == {"any": ["thing"]}


def test_a_validator_makes_what_the_command_gets() -> None:
    declared = Command(idle, partial(msgspec.convert, type=Point))
    assert declared.check({"x": 1}) == Point(1, 0)


def test_what_a_validator_refuses_is_told_with_its_words() -> None:
    declared = Command(idle, partial(msgspec.convert, type=Point))
    with pytest.raises(PeerError, match=r"Expected `int`, got `str` - at `\$\.x`") as refused:
        declared.check({"x": "one"})
    assert refused.value.code == "INVALID_DATA"


@pytest.mark.parametrize("said", ["", "x" * 10_000])
def test_a_validators_words_have_a_length_fit_for_an_answer(said: str) -> None:
    def refuse(data: object) -> object:
        raise ValueError(said)

    with pytest.raises(PeerError) as refused:
        Command(idle, refuse).check(None)
    assert 0 < len(refused.value.detail) <= MAX_DETAIL_CHARS


@pytest.mark.parametrize("code", ["", "sold out", "sold_out", "1ST", "X" * 65, "É"])
def test_the_code_of_an_error_has_a_form(code: str) -> None:
    with pytest.raises(ValueError, match="in capitals"):
        CommandError(code, "No more of these")


@pytest.mark.parametrize("name", ["a", "shop.buy", "Käse", "x" * MAX_NAME_CHARS])
def test_names_that_a_command_may_have(name: str) -> None:
    assert is_command_name(name)


@pytest.mark.parametrize(
    "name", ["", "two words", "new\nline", "x" * (MAX_NAME_CHARS + 1), "\ud800", 7, None]
)
def test_names_that_no_command_has(name: object) -> None:
    assert not is_command_name(name)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"name": "a", "data": [1]}, ("a", [1])),
        ({"name": "a"}, ("a", None)),
        ({"name": "a", "data": None, "more": 1}, ("a", None)),
    ],
)
def test_a_call_names_a_command_and_brings_data(shown: object, expected: tuple[str, object]) -> None:
    assert parse_call(shown) == expected


@pytest.mark.parametrize("shown", [None, "a", [], {}, {"data": 1}, {"name": None}, {"name": ["a"]}])
def test_what_is_no_call_is_refused(shown: object) -> None:
    with pytest.raises(PeerError) as refused:
        parse_call(shown)
    assert refused.value.code == "WRONG_PARAMETERS"
