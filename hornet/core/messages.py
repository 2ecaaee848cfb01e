"""The messages that backends publish, and the forms in which they reach clients.

A publish is a JSON object with a string ``type``, on ``hornet:channel:<channel>``. ``only`` and ``except``
choose its receivers: a token, or a list of tokens; the id of a session may stand for its token. Both are
removed before delivery, since they hold other clients' tokens; ``channel`` is added.

On the topic of a pattern, a publish may be any JSON. An object with a string ``type`` is a message as on a
channel. Any other JSON reaches clients in a message of the type ``payload``, in its field ``payload``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from hornet.core import codes
from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import check_depth, dump_json, parse_json

RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Event names that a Socket.IO client keeps for itself. socket.io-parser from 4.2 on treats such an event
from the server as a malformed packet and drops the connection."""

PAYLOAD = "payload"
"""The type of a message that carries JSON which is no message itself, and the name of the field with it."""

MAX_DEPTH = 500
"""Of lists and objects within each other in a publish. Each form of the message adds some levels, and Python
encodes JSON of fewer than 1000 levels."""


class Delivery(Enum):
    """How a session wants its messages."""

    MESSAGE = "message"
    """Event ``message`` with the JSON string: the classic contract, and the default."""
    EVENT = "event"
    """A Socket.IO event named by the message's ``type``, with the object as its argument."""


class Outgoing(Protocol):
    """A message, in each form that a session may want. The engine asks for a form at most once."""

    def message_text(self) -> str:
        """Return the argument of event ``message``: the JSON string."""
        ...

    def event(self) -> tuple[str, object]:
        """Return the event's name, and its argument as JSON data."""
        ...


NOBODY: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Message:
    """A message on its way to the sessions of ``channel``; ``body`` includes ``type`` and ``channel``.

    ``only`` and ``exclude`` hold tokens; ``only`` is None when the message is for the whole channel, and the
    empty set when it is for no session. A message is never changed. A frozen class would be safer, but making
    an object of it takes three times as long, for each message that a node receives.
    """

    channel: str
    body: dict[str, Any]
    only: frozenset[str] | None = None
    exclude: frozenset[str] = NOBODY
    published: bytes = b""
    """The bytes that the backend published."""
    _text: str = field(default="", init=False)
    """The JSON of ``body``, made when it is first asked for."""

    def message_text(self) -> str:
        if not self._text:
            self._text = dump_json(self.body)
        return self._text

    def event(self) -> tuple[str, object]:
        """Return an event named by ``type``, or event ``message`` where clients reserve that name."""
        kind: str = self.body["type"]
        return ("message" if kind in RESERVED_EVENTS else kind), self.body


def parse_publish(channel: str, payload: bytes) -> Message:
    """Parse the message that a connector published on ``channel``; its JSON text is made and checked.

    Raises:
        InvalidPublish: ``NOT_JSON``, ``NOT_AN_OBJECT``, ``NO_TYPE`` or ``BAD_ADDRESS``.
    """
    body = _parse(payload)
    if not isinstance(body, dict):
        raise InvalidPublish(codes.NOT_AN_OBJECT, "the payload is JSON, but not an object")
    if not isinstance(body.get("type"), str):
        raise InvalidPublish(codes.NO_TYPE, "the object has no string 'type'")
    return _make_message(channel, body, payload)


def parse_pattern_publish(topic: str, payload: bytes) -> Message:
    """Parse what a backend published on the topic of a pattern: a message, or any other JSON as ``PAYLOAD``.

    Raises:
        InvalidPublish: ``NOT_JSON`` or ``BAD_ADDRESS``.
    """
    body = _parse(payload)
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):
        body = {"type": PAYLOAD, PAYLOAD: body}
    return _make_message(topic, body, payload)


def _parse(payload: bytes) -> Any:
    try:
        body = parse_json(payload)
    except ValueError:
        raise InvalidPublish(codes.NOT_JSON, "the payload is not JSON that a browser can read") from None
    # So many brackets are rare, and counting them costs nothing beside the look at every value.
    if len(payload) > 2 * MAX_DEPTH and payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        try:
            check_depth(body, MAX_DEPTH)
        except ValueError:
            raise InvalidPublish(
                codes.NOT_JSON, f"the payload is nested deeper than {MAX_DEPTH} levels"
            ) from None
    return body


def _make_message(channel: str, body: dict[str, Any], payload: bytes) -> Message:
    only = _parse_tokens("only", body.pop("only", None))
    exclude = _parse_tokens("except", body.pop("except", None))
    body["channel"] = channel
    message = Message(channel, body, only, exclude or NOBODY, payload)
    try:
        message.message_text()
    except ValueError:
        raise InvalidPublish(
            codes.NOT_JSON, "a number in the payload is beyond what JSON can carry"
        ) from None
    return message


def _parse_tokens(name: str, value: object) -> frozenset[str] | None:
    """Parse ``only`` or ``except``, one string or a list of strings, into tokens; None when absent.

    The Java connector turns a list into its JSON text; a token never starts with a bracket.
    """
    if value is None:
        return None
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse_json(value)
        except ValueError:
            raise InvalidPublish(codes.BAD_ADDRESS, f"'{name}' looks like a list, but is not JSON") from None
    if isinstance(value, str):
        return frozenset((value,))
    if isinstance(value, list) and all(isinstance(token, str) for token in value):
        return frozenset(value)
    raise InvalidPublish(codes.BAD_ADDRESS, f"'{name}' is neither a token nor a list of tokens")
