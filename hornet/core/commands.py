"""Commands: what a plug-in declares so that clients may call it, and what both sides are told.

A plug-in imports from here alone, so its own tests need no server::

    @command(validate=partial(msgspec.convert, type=Order))
    async def buy(context: Context, order: Order) -> object:
        if context.user is None:
            raise CommandError("GUESTS_DONT_BUY", "Log in first")
        return {"number": await store(context.user, order)}
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeGuard, TypeVar

from hornet.core import codes
from hornet.core.errors import PeerError

MAX_NAME_CHARS = 128

MAX_DETAIL_CHARS = 300
"""Of what a validator says to the client: a sentence or two, not the data once more."""

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

T = TypeVar("T")


class CommandError(PeerError):
    """A command refuses: the client that called it is told ``code`` and ``detail``.

    ``code`` is stable and in capitals, as those of Hornet; clients match on it.

    Raises:
        ValueError: ``code`` is not of that form.
    """

    def __init__(self, code: str, detail: str) -> None:
        if not _CODE.fullmatch(code):
            raise ValueError(f"the code of an error is in capitals, not {code!r}")
        super().__init__(code, detail)


@dataclass(frozen=True, slots=True)
class Context:
    """Who called a command, as things were at that moment.

    ``user`` and ``info`` are what its credentials say, None for a guest. ``attributes`` are facts that no
    client sees. ``channels`` are those the session holds.
    """

    session_id: str
    user: str | None = None
    info: Any = None
    attributes: Mapping[str, str] | None = None
    channels: frozenset[str] = frozenset()


def anything(data: Any) -> Any:
    """The validator that lets all data through, as it is."""
    return data


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """One command. ``run`` gets what ``validate`` made of the client's data; its result is the answer.

    ``validate`` raises ``ValueError`` for data that it refuses; the text is told to the client.
    """

    run: Callable[[Context, T], Awaitable[object]]
    validate: Callable[[Any], T] = anything
    needs_authentication: bool = True

    def __post_init__(self) -> None:
        if not inspect.iscoroutinefunction(self.run):
            raise TypeError("a command is an 'async def' function; blocking work belongs in a thread")

    def check(self, data: object) -> T:
        """What ``run`` gets for a client's data.

        Raises:
            PeerError: ``INVALID_DATA``, with what the validator says.
        """
        try:
            return self.validate(data)
        except ValueError as error:
            detail = str(error)[:MAX_DETAIL_CHARS] or "The data is not what this command takes"
            raise PeerError(codes.INVALID_DATA, detail) from None


def command(
    *, validate: Callable[[Any], T] = anything, needs_authentication: bool = True
) -> Callable[[Callable[[Context, T], Awaitable[object]]], Command[T]]:
    """Make the ``async def`` function below it a command."""
    return lambda run: Command(run, validate, needs_authentication)


def is_command_name(value: object) -> TypeGuard[str]:
    """True for 1 to ``MAX_NAME_CHARS`` characters that can be printed, none of them a space."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_CHARS
        and value.isprintable()
        and " " not in value
    )


def parse_call(shown: object) -> tuple[str, object]:
    """The argument of ``hornet:command``, ``{"name", "data"?}``, as a name and data.

    Raises:
        PeerError: ``WRONG_PARAMETERS``: no such object.
    """
    name = shown.get("name") if isinstance(shown, Mapping) else None
    if not isinstance(shown, Mapping) or not isinstance(name, str):
        raise PeerError(codes.WRONG_PARAMETERS, "The argument is no object with 'name'")
    return name, shown.get("data")
