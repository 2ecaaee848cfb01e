"""Commands: code that a plug-in declares for clients to call, and its answers and errors.

A plug-in needs to import nothing else of Hornet, so its own tests need no server::

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
"""Of a validator's error as the client gets it: a sentence or two, not the data once more."""

_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

T = TypeVar("T")


class CommandError(PeerError):
    """A refusal of a command: the client that called it gets ``code`` and ``detail``.

    ``code`` is stable and in capitals, as the codes of Hornet are; clients match on it.

    Raises:
        ValueError: ``code`` is not of that form.
    """

    def __init__(self, code: str, detail: str) -> None:
        if not _CODE.fullmatch(code):
            raise ValueError(f"the code of an error is in capitals, not {code!r}")
        super().__init__(code, detail)


@dataclass(frozen=True, slots=True)
class Context:
    """The session that called a command, as it was at that moment.

    ``user`` and ``info`` come from its credentials, and are None for a guest. ``attributes`` are facts that
    no client sees. ``channels`` are those that the session is subscribed to.
    """

    session_id: str
    user: str | None = None
    info: Any = None
    attributes: Mapping[str, str] | None = None
    channels: frozenset[str] = frozenset()


def anything(data: Any) -> Any:
    """Return the data as they are: the validator that accepts everything."""
    return data


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """A command. ``run`` gets the client's data as ``validate`` returns them; its result is the answer.

    ``validate`` raises ``ValueError`` for data that it refuses; the client gets the text.
    """

    run: Callable[[Context, T], Awaitable[object]]
    validate: Callable[[Any], T] = anything
    needs_authentication: bool = True

    def __post_init__(self) -> None:
        if not inspect.iscoroutinefunction(self.run):
            raise TypeError("a command is an 'async def' function; blocking work belongs in a thread")

    def check(self, data: object) -> T:
        """Validate a client's data; return what ``run`` gets.

        Raises:
            PeerError: ``INVALID_DATA``, with the validator's text.
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
    """Return True for 1 to ``MAX_NAME_CHARS`` printable characters, none of them a space."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_CHARS
        and value.isprintable()
        and " " not in value
    )


def parse_call(argument: object) -> tuple[str, object]:
    """Parse the argument of ``hornet:command``, ``{"name", "data"?}``, into a name and data.

    Raises:
        PeerError: ``WRONG_PARAMETERS``: the argument is no such object.
    """
    name = argument.get("name") if isinstance(argument, Mapping) else None
    if not isinstance(argument, Mapping) or not isinstance(name, str):
        raise PeerError(codes.WRONG_PARAMETERS, "The argument is no object with 'name'")
    return name, argument.get("data")
