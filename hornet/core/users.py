"""What a backend may ask of Hornet about a user, as JSON on the topic of that user.

Every node with a session of the user hears it and does its part. ``notify`` carries an event for the user's
clients; ``channels`` says that the list of the user's channels in Redis has changed, and is to be read again;
``disconnect`` ends the sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hornet.core.channels import is_utf8_text
from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.messages import RESERVED_EVENTS

MAX_EVENT_CHARS = 128

OWN_EVENTS = frozenset({"message", "user:authenticated", "socket:closed", "hermes:shutdown"})
"""Events in which clients expect Hornet's own words; ``hornet:`` starts more of them."""

OWN_PREFIX = "hornet:"


@dataclass(frozen=True, slots=True)
class Notify:
    """Emit ``event`` with ``payload`` to every session of the user."""

    event: str
    payload: Any


@dataclass(frozen=True, slots=True)
class ChannelsChanged:
    """The backend subscribed the user to channels, or took it out of some: Redis has the list."""


@dataclass(frozen=True, slots=True)
class DisconnectUser:
    """End the sessions that the user has now, for good."""


Command = Notify | ChannelsChanged | DisconnectUser

CHANNELS_CHANGED = dump_json({"type": "channels"})
DISCONNECT = dump_json({"type": "disconnect"})


def dump_notify(event: str, payload: object) -> str:
    """The text that :func:`parse_command` reads as :class:`Notify`.

    Raises:
        ValueError: a name that no client may be sent, or a payload that JSON can't carry.
        TypeError: a payload of a kind that JSON does not know.
    """
    return dump_json({"type": "notify", "event": parse_event_name(event), "payload": payload})


def parse_command(payload: bytes) -> Command:
    """The command on a user's topic.

    Raises:
        InvalidPublish: ``NOT_JSON``, ``NOT_AN_OBJECT``, ``UNKNOWN_COMMAND`` or ``BAD_EVENT``.
    """
    try:
        body = parse_json(payload)
    except ValueError:
        raise InvalidPublish("NOT_JSON", "the command is not JSON that a browser can read") from None
    if not isinstance(body, dict):
        raise InvalidPublish("NOT_AN_OBJECT", "the command is JSON, but not an object")
    match body.get("type"):
        case "notify":
            try:
                return Notify(parse_event_name(body.get("event")), body.get("payload"))
            except ValueError as error:
                raise InvalidPublish("BAD_EVENT", str(error)) from None
        case "channels":
            return ChannelsChanged()
        case "disconnect":
            return DisconnectUser()
    raise InvalidPublish("UNKNOWN_COMMAND", "the command has no type that Hornet knows")


def parse_event_name(event: object) -> str:
    """The name of an event that backends may emit to users.

    Raises:
        ValueError: no text of a fit length, or a name that Socket.IO clients or Hornet keep for themselves.
    """
    if not isinstance(event, str) or not 0 < len(event) <= MAX_EVENT_CHARS or not is_utf8_text(event):
        raise ValueError(f"an event's name is text of 1 to {MAX_EVENT_CHARS} characters")
    if event in RESERVED_EVENTS:
        raise ValueError(f"Socket.IO clients keep the event {event!r} for themselves")
    if event in OWN_EVENTS or event.startswith(OWN_PREFIX):
        raise ValueError(f"the event {event!r} is Hornet's own")
    return event
