"""What clients publish: with fewer options than backends have, and in the name of their own user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hornet.core import codes
from hornet.core.channels import check_channel
from hornet.core.errors import PeerError
from hornet.core.jsontext import dump_json

MAX_TYPE_CHARS = 256

HORNETS_TYPES = frozenset({"presence-add", "presence-quit"})
"""Messages of these types name members; a client that could publish them could invent members."""

ADDRESSES = ("only", "except")
"""Fields by which a backend chooses receivers. A client knows no token but its own."""


@dataclass(frozen=True, slots=True)
class ClientPublish:
    """A message for one channel; ``exclude_self`` keeps it from the session that published it."""

    channel: str
    type: str
    message: Mapping[str, Any]
    exclude_self: bool = False

    def text(self, sid: str, user: str | None, max_bytes: int) -> str:
        """Return the JSON text to publish. Hornet sets ``user`` in it, never the client.

        Raises:
            PeerError: ``TOO_LARGE``: it is longer than ``max_bytes``. ``BAD_MESSAGE``: JSON can't carry it.
        """
        body: dict[str, Any] = {**self.message, "type": self.type}
        body.pop("user", None)
        if user is not None:
            body["user"] = user
        if self.exclude_self:
            body["except"] = sid
        return _dump("message", body, max_bytes)


def dump_client_event(
    args: Sequence[object], *, sid: str, user: str | None, node: str, max_bytes: int
) -> str:
    """Return the JSON text to publish for an event that a client emitted with ``args``.

    Raises:
        PeerError: ``TOO_LARGE``: the arguments are longer than ``max_bytes``; or ``BAD_MESSAGE``: JSON can't
            carry them.
    """
    arguments = _dump("list of the event's arguments", list(args), max_bytes)
    sender = dump_json({"session": sid, "user": user, "node": node})
    return f'{sender[:-1]},"args":{arguments}}}'


def parse_client_publish(argument: object) -> ClientPublish:
    """Parse the argument of ``hornet:publish``: ``{"channel", "type", "message"?, "exclude_self"?}``.

    Raises:
        PeerError: ``BAD_CHANNEL`` or ``BAD_MESSAGE``; the detail says what is wrong.
    """
    if not isinstance(argument, Mapping):
        raise _bad("the argument is no object with 'channel' and 'type'")
    channel = check_channel(argument.get("channel"))
    kind = argument.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARS:
        raise _bad(f"'type' is no text of 1 to {MAX_TYPE_CHARS} characters")
    if kind in HORNETS_TYPES:
        raise _bad(f"type '{kind}' is Hornet's own")
    message = argument.get("message")
    if message is None:
        message = {}
    if not isinstance(message, Mapping) or not all(isinstance(name, str) for name in message):
        raise _bad("'message' is no object")
    if any(name in message for name in ADDRESSES):
        raise _bad("clients can't choose receivers by 'only' or 'except'")
    exclude_self = argument.get("exclude_self", False)
    if not isinstance(exclude_self, bool):
        raise _bad("'exclude_self' is neither true nor false")
    return ClientPublish(channel, kind, message, exclude_self)


def _dump(name: str, value: object, max_bytes: int) -> str:
    try:
        text = dump_json(value)
        size = len(text.encode())
    except (ValueError, TypeError):
        raise _bad(f"the {name} is not JSON that can be sent on") from None
    if size > max_bytes:
        raise PeerError(codes.TOO_LARGE, f"the {name} has {size} bytes, more than {max_bytes}")
    return text


def _bad(detail: str) -> PeerError:
    return PeerError(codes.BAD_MESSAGE, detail)
