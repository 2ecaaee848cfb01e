"""Commands that backends publish to Hornet itself, as JSON: about tokens and about users.

A command about tokens goes to every node, on the topic of the reserved channel. A command about a user goes
to each node that has a session of the user, on that user's topic. Its ``type`` is one of:

``notify``
    emit an event to the user's clients;
``channels``
    the list of the user's channels in Redis has changed, so read it again;
``disconnect``
    end the user's sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hornet.core import codes
from hornet.core.channels import is_utf8_text
from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.messages import RESERVED_EVENTS

MAX_EVENT_CHARS = 128

OWN_EVENTS = frozenset({"message", "user:authenticated", "socket:closed", "hermes:shutdown"})
"""Events that clients expect from Hornet alone, beside those that start with ``OWN_EVENT_PREFIX``."""

OWN_EVENT_PREFIX = "hornet:"


EVENTS_TO_HORNET = frozenset({"user:authenticate", "user:logout"})
"""Events that Hornet handles itself, beside :data:`OWN_EVENTS` and those with the prefix."""


@dataclass(frozen=True, slots=True)
class DisconnectTokens:
    """Close the sessions of these tokens on every node, without reconnection, and delete unused tokens."""

    tokens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notify:
    """Emit ``event`` with ``payload`` to every session of the user."""

    event: str
    payload: Any


@dataclass(frozen=True, slots=True)
class ChannelsChanged:
    """Read the user's channels again: the backend has subscribed the user to some, or removed some."""


@dataclass(frozen=True, slots=True)
class DisconnectUser:
    """End the sessions that the user has now; their clients don't reconnect."""


UserCommand = Notify | ChannelsChanged | DisconnectUser

CHANNELS_CHANGED = dump_json({"type": "channels"})
DISCONNECT = dump_json({"type": "disconnect"})


def parse_control(payload: bytes) -> DisconnectTokens:
    """Parse a command on the reserved channel's topic.

    Raises:
        InvalidPublish: ``NOT_JSON``, ``NOT_AN_OBJECT``, ``UNKNOWN_CONTROL`` or ``BAD_TOKENS``.
    """
    try:
        body = parse_json(payload)
    except ValueError:
        raise InvalidPublish(codes.NOT_JSON, "the control message is not JSON") from None
    if not isinstance(body, dict):
        raise InvalidPublish(codes.NOT_AN_OBJECT, "the control message is JSON, but not an object")
    if body.get("type") != "disconnect_tokens":
        raise InvalidPublish(codes.UNKNOWN_CONTROL, "the control message has no type that Hornet knows")
    tokens = body.get("tokens")
    if isinstance(tokens, str):
        tokens = [tokens]
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InvalidPublish(codes.BAD_TOKENS, "'tokens' of disconnect_tokens is not a list of tokens")
    return DisconnectTokens(frozenset(tokens))


def parse_user_command(payload: bytes) -> UserCommand:
    """Parse a command on a user's topic.

    Raises:
        InvalidPublish: ``NOT_JSON``, ``NOT_AN_OBJECT``, ``UNKNOWN_COMMAND`` or ``BAD_EVENT``.
    """
    try:
        body = parse_json(payload)
    except ValueError:
        raise InvalidPublish(codes.NOT_JSON, "the command is not JSON that a browser can read") from None
    if not isinstance(body, dict):
        raise InvalidPublish(codes.NOT_AN_OBJECT, "the command is JSON, but not an object")
    match body.get("type"):
        case "notify":
            try:
                return Notify(parse_event_name(body.get("event")), body.get("payload"))
            except ValueError as error:
                raise InvalidPublish(codes.BAD_EVENT, str(error)) from None
        case "channels":
            return ChannelsChanged()
        case "disconnect":
            return DisconnectUser()
    raise InvalidPublish(codes.UNKNOWN_COMMAND, "the command has no type that Hornet knows")


def may_be_notify(payload: bytes) -> bool:
    """Return False for a command on a user's topic that is certainly no :class:`Notify`."""
    return b'"notify"' in payload


def check_client_event(event: str) -> None:
    """Check the name of an event that clients may emit for plug-ins and backends.

    Raises:
        ValueError: not text of an allowed length, or a name that Socket.IO or Hornet reserves.
    """
    if parse_event_name(event) in EVENTS_TO_HORNET:
        raise ValueError(f"the event {event!r} is Hornet's own")


def dump_notify(event: str, payload: object) -> str:
    """Return the text that :func:`parse_user_command` reads as :class:`Notify`.

    Raises:
        ValueError: a name that no client may be sent, or a payload that JSON can't carry.
    """
    return dump_json({"type": "notify", "event": parse_event_name(event), "payload": payload})


def parse_event_name(event: object) -> str:
    """Return the name of an event that backends may emit to users.

    Raises:
        ValueError: not text of an allowed length, or a name that Socket.IO clients or Hornet reserve.
    """
    if not isinstance(event, str) or not 0 < len(event) <= MAX_EVENT_CHARS or not is_utf8_text(event):
        raise ValueError(f"an event's name is text of 1 to {MAX_EVENT_CHARS} characters")
    if event in RESERVED_EVENTS:
        raise ValueError(f"Socket.IO clients keep the event {event!r} for themselves")
    if event in OWN_EVENTS or event.startswith(OWN_EVENT_PREFIX):
        raise ValueError(f"the event {event!r} is Hornet's own")
    return event
