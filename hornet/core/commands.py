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
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import InitVar, dataclass
from typing import Any, Generic, Protocol, TypeGuard, TypeVar

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


class Actions(Protocol):
    """What a node does for a command. The tests of a plug-in may pass an object of their own.

    See :class:`Context` for the meaning of each method.
    """

    def emit(self, event: str, data: object) -> None: ...

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None,
        options: Mapping[str, Any] | None,
    ) -> int: ...

    async def members(self, channel: str, limit: int) -> list[dict[str, Any]]: ...

    async def notify(self, users: str | int | Iterable[str | int], event: str, payload: object) -> int: ...

    async def subscribe(self, channel: str) -> bool: ...

    async def unsubscribe(self, channel: str) -> bool: ...


MAX_MEMBERS = 1000
"""Of a list of members, unless a command asks for more."""


@dataclass(frozen=True)
class Context:
    """The session that called a command, as it was at that moment, and what a command may do.

    ``user`` and ``info`` come from its credentials, and are None for a guest. ``attributes`` are facts that
    no client sees. ``channels`` are those that the session is subscribed to. ``actions`` are those of a node;
    the methods below raise ``RuntimeError`` without them.

    The methods raise ``ValueError`` for a malformed channel, user or event. Those that are awaited raise
    ``RedisUnavailable`` where Redis does not answer; the client is told so if the command lets that pass.
    """

    session_id: str
    user: str | None = None
    info: Any = None
    attributes: Mapping[str, str] | None = None
    channels: frozenset[str] = frozenset()
    actions: InitVar[Actions | None] = None
    """Kept beside the fields, which are data, so that ``dataclasses.asdict`` gives data alone."""

    def __post_init__(self, actions: Actions | None) -> None:
        object.__setattr__(self, "_actions", actions)

    def emit(self, event: str, data: object = None) -> None:
        """Emit an event to the session that called, behind all earlier ones; nothing once it has ended."""
        self._node.emit(event, data)

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> int:
        """Publish one message on each channel, as a backend does; return how many nodes received it, summed.

        ``options`` may have ``only`` and ``except``: a token or the id of a session, or several.
        """
        return await self._node.publish(channels, type, message, options)

    async def members(self, channel: str, limit: int = MAX_MEMBERS) -> list[dict[str, Any]]:
        """List the sessions in a channel on all nodes, by id: ``{"session", "user", "info", "node"}``.

        The list ends after ``limit`` of them. Sessions of a node that does not answer in time are left out.
        """
        return await self._node.members(channel, limit)

    async def notify(self, users: str | int | Iterable[str | int], event: str, payload: object = None) -> int:
        """Emit an event to every session of the users; return how many nodes received it, summed."""
        return await self._node.notify(users, event, payload)

    async def subscribe(self, channel: str) -> bool:
        """Subscribe the session that called to a channel of any kind; return when Redis has confirmed.

        A session that has shown no credential is let in thereby. Returns False when the session ended, or
        logged out, meanwhile.

        Raises:
            PeerError: ``TOO_MANY_CHANNELS``; the client is told so if the command lets it pass.
        """
        return await self._node.subscribe(channel)

    async def unsubscribe(self, channel: str) -> bool:
        """Undo the session's own subscription, by a command or by itself; return whether it left the channel.

        It stays in a channel to which the backend subscribed its user.
        """
        return await self._node.unsubscribe(channel)

    @property
    def _node(self) -> Actions:
        actions: Actions | None = getattr(self, "_actions", None)
        if actions is None:
            raise RuntimeError("this context was made without a node: pass it 'actions'")
        return actions


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
