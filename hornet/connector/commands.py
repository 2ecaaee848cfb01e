"""What a connector does, as Redis commands. Both connectors, sync and async, send exactly these."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from hornet.broker.keys import (
    CONTROL_TOPIC,
    EVENTS,
    channel_topic,
    grant_key,
    token_key,
)
from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.grants import Grant, dump_grant, parse_user_id
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.messages import parse_publish
from hornet.core.tokens import is_token

log = logging.getLogger(__name__)

RedisCommand = tuple[str, ...]
Event = tuple[str, dict[str, Any]]

DEFAULT_URL = "redis://127.0.0.1:6379/0"
CLASSIC_EVENTS = ("connect", "disconnect")
EVENT_FIELDS = {
    "connect": ("token", "channel"),
    "disconnect": ("token", "channel"),
    "user:online": ("user", "session", "node"),
    "user:session": ("user", "session", "node"),
    "user:gone": ("user",),
    "session:opened": ("session", "node", "address"),
    "session:closed": ("session", "node", "reason"),
}
"""What Hornet tells backends, and the texts that each of these events has at least."""

POLL_S = 5.0
"""How long one wait for an event lasts. redis-py's ``listen()`` would end a silent subscription with an error
once the client's ``socket_timeout`` (5 s from 8.0 on) has passed."""

RETRY_S = 1.0
"""Wait between attempts to get a lost subscription back."""


def token_commands(token: str, grant: Grant, ttl_s: int) -> list[RedisCommand]:
    """Make ``token`` give ``grant``; to be sent as one transaction.

    Raises:
        ValueError: neither a channel nor a user, a name that is none, the reserved channel, or info that
            JSON can't carry.
    """
    if not grant.channels and grant.user is None:
        raise ValueError("no channel given")
    if ttl_s < 1:
        raise ValueError("a token lives at least one second")
    commands: list[RedisCommand] = []
    if grant.channels:
        commands += [("SADD", token_key(token), *grant.channels), ("EXPIRE", token_key(token), str(ttl_s))]
    if carried := dump_grant(grant):
        commands.append(("SET", grant_key(token), carried, "EX", str(ttl_s)))
    return commands


def make_grant(
    channels: str | Iterable[str], user: str | int | None, info: Any, publish: str | Iterable[str]
) -> Grant:
    """What a backend wants a token to give.

    Raises:
        ValueError: a name that is none, or the reserved channel.
    """
    names, allowed = _listed(channels), _listed(publish)
    if CONTROL_CHANNEL in names:
        raise ValueError(f"channel {CONTROL_CHANNEL!r} is reserved")
    return Grant(None if user is None else parse_user_id(user), info, tuple(names), tuple(allowed))


def publish_commands(
    channels: str | Iterable[str], kind: str, message: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> list[RedisCommand]:
    """Publish one message on each channel. It is checked here as Hornet will check it.

    Raises:
        ValueError: a channel that is none, data that JSON can't carry, or an option Hornet does not know.
        InvalidPublish: ``only`` or ``except`` is no token and no list of tokens.
    """
    if not isinstance(kind, str):
        raise ValueError("the type of a message is a string")
    unknown = set(options) - {"only", "except"}
    if unknown:
        raise ValueError(f"unknown publish option {sorted(unknown)[0]!r}; there are 'only' and 'except'")
    addressed = {name: _address(value) for name, value in options.items() if value is not None}
    text = dump_json({**(message or {}), **addressed, "type": kind})
    names = _names(channels)
    parse_publish(names[0], text.encode("utf-8", "surrogatepass"))
    return [("PUBLISH", channel_topic(name), text) for name in names]


def disconnect_command(tokens: str | Iterable[str]) -> RedisCommand:
    """Close the sessions of ``tokens`` on every node.

    Raises:
        ValueError: something in ``tokens`` is no token.
    """
    listed = [tokens] if isinstance(tokens, str) else list(tokens)
    if not all(is_token(token) for token in listed):
        raise ValueError("tokens are non-empty strings")
    return ("PUBLISH", CONTROL_TOPIC, dump_json({"type": "disconnect_tokens", "tokens": listed}))


def event_topics(events: str | Iterable[str]) -> list[str]:
    """The topics of these events.

    Raises:
        ValueError: no event, or one that Hornet does not tell.
    """
    names = [events] if isinstance(events, str) else list(events)
    if not names or not EVENT_FIELDS.keys() >= set(names):
        raise ValueError(f"events are some of {', '.join(EVENT_FIELDS)}")
    return [EVENTS + name for name in names]


def parse_event(topic: str | bytes, payload: str | bytes) -> Event | None:
    """The name of an event, and what it says, from what Hornet publishes.

    Whoever may publish in Redis may publish on these topics too, and one wrong byte there must not end a
    backend's loop: what is no event is logged and None.
    """
    try:
        name = (topic.decode() if isinstance(topic, bytes) else topic).removeprefix(EVENTS)
        fields = EVENT_FIELDS[name]
        event = parse_json(payload)
    except (ValueError, KeyError):
        event = None
    if not isinstance(event, dict) or not all(isinstance(event.get(key), str) for key in fields):
        log.warning("Skipped what is no event of Hornet's on %r", topic)
        return None
    return name, event


def texts(found: Iterable[bytes | str]) -> list[str]:
    """An answer of Redis as text, sorted; some clients decode it, some do not."""
    return sorted(one.decode() if isinstance(one, bytes) else one for one in found)


def _names(channels: str | Iterable[str]) -> list[str]:
    names = _listed(channels)
    if not names:
        raise ValueError("no channel given")
    return names


def _listed(channels: str | Iterable[str]) -> list[str]:
    names = [channels] if isinstance(channels, str) else list(channels)
    for name in names:
        if not is_channel_name(name):
            raise ValueError(f"{name!r} is no channel name")
    return names


def _address(value: Any) -> Any:
    return value if isinstance(value, str) else list(value)
