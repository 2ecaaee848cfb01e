"""The Redis commands for tokens and messages. Both connectors send exactly these.

The commands about users, which nodes send as well, are in :mod:`hornet.broker.user_commands`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hornet.broker.keys import CONTROL_TOPIC, channel_topic, grant_key, token_key
from hornet.broker.user_commands import RedisCommand
from hornet.core import codes
from hornet.core.channels import CONTROL_CHANNEL, check_token_channels, is_channel_name
from hornet.core.errors import InvalidPublish, PeerError
from hornet.core.grants import Grant, dump_grant, parse_user_id
from hornet.core.jsontext import dump_json
from hornet.core.message_limit import MessageLimit
from hornet.core.messages import parse_pattern_publish, parse_publish
from hornet.core.patterns import parse_publication
from hornet.core.tokens import is_token

DEFAULT_URL = "redis://127.0.0.1:6379/0"


class MessageTooLarge(ValueError):
    """A message is longer than the connector's ``max_message_bytes``; nothing was published."""

    code = codes.TOO_LARGE


def check_length(text: str, limit: MessageLimit) -> None:
    """Raise ``MessageTooLarge`` unless a message may be published."""
    try:
        limit.check_text(text)
    except InvalidPublish as refused:
        raise MessageTooLarge(refused.detail) from None


def token_commands(token: str, grant: Grant, ttl_s: int) -> list[RedisCommand]:
    """Make ``token`` give ``grant``; the commands are to be sent as one transaction.

    Raises:
        ValueError: neither a channel nor a user, a life shorter than a second, or info that JSON can't carry.
    """
    if not grant.channels and grant.user is None:
        raise ValueError("no channel given")
    if ttl_s < 1:
        raise ValueError("a token lives at least one second")
    commands: list[RedisCommand] = []
    if grant.channels:
        commands += [("SADD", token_key(token), *grant.channels), ("EXPIRE", token_key(token), str(ttl_s))]
    if grant_text := dump_grant(grant):
        commands.append(("SET", grant_key(token), grant_text, "EX", str(ttl_s)))
    return commands


def make_grant(
    channels: str | Iterable[str], user: str | int | None, info: Any, publish: str | Iterable[str]
) -> Grant:
    """Return the grant that a backend wants a token to give.

    Raises:
        ValueError: an invalid channel name or user id, the reserved channel, or a wildcard that would open
            nothing.
    """
    names, publishable = _open_channels(channels), _channel_names(publish)
    check_token_channels(names)
    return Grant(None if user is None else parse_user_id(user), info, tuple(names), tuple(publishable))


def publish_commands(
    channels: str | Iterable[str],
    type: str,
    message: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    limit: MessageLimit,
) -> list[RedisCommand]:
    """Publish one message on each channel. The message is checked as Hornet will check it.

    Raises:
        ValueError: no channel, an invalid name or the reserved one, data that JSON can't carry, or an unknown
            option; ``MessageTooLarge``.
        InvalidPublish: ``only`` or ``except`` is neither a token nor a list of tokens.
    """
    if not isinstance(type, str):
        raise ValueError("the type of a message is a string")
    if message is not None and not isinstance(message, Mapping):
        raise ValueError(
            "a message is an object with fields, such as {'text': 'hi'}, not a "
            f"{message.__class__.__name__}"
        )
    unknown = set(options) - {"only", "except"}
    if unknown:
        raise ValueError(f"unknown publish option {sorted(unknown)[0]!r}; there are 'only' and 'except'")
    addresses = {
        name: value if isinstance(value, str) else list(value)
        for name, value in options.items()
        if value is not None
    }
    text = dump_json({**(message or {}), **addresses, "type": type})
    names = _open_channels(channels)
    if not names:
        raise ValueError("no channel given")
    check_length(text, limit)
    parse_publish(names[0], text.encode("utf-8", "surrogatepass"))
    return [("PUBLISH", channel_topic(name), text) for name in names]


def pattern_command(pattern: Mapping[str, Any], payload: Any, limit: MessageLimit) -> RedisCommand:
    """Publish any JSON for the clients that subscribed to such keys and values.

    Raises:
        ValueError: ``pattern`` is no set of keys and values, or JSON can't carry the payload;
            ``MessageTooLarge``.
    """
    text = dump_json(payload)
    check_length(text, limit)
    try:
        topic = parse_publication(pattern)
        parse_pattern_publish(topic, text.encode("utf-8", "surrogatepass"))
    except PeerError as refused:
        raise ValueError(refused.detail) from None
    return ("PUBLISH", topic, text)


def disconnect_command(tokens: str | Iterable[str]) -> RedisCommand:
    """Close the sessions of ``tokens`` on every node.

    Raises:
        ValueError: an item of ``tokens`` is not a token.
    """
    listed = [tokens] if isinstance(tokens, str) else list(tokens)
    if not all(is_token(token) for token in listed):
        raise ValueError("tokens are non-empty strings")
    return ("PUBLISH", CONTROL_TOPIC, dump_json({"type": "disconnect_tokens", "tokens": listed}))


def _open_channels(channels: str | Iterable[str]) -> list[str]:
    names = _channel_names(channels)
    if CONTROL_CHANNEL in names:
        raise ValueError(f"channel {CONTROL_CHANNEL!r} is reserved: it is Hornet's own")
    return names


def _channel_names(channels: str | Iterable[str]) -> list[str]:
    names = [channels] if isinstance(channels, str) else list(channels)
    for name in names:
        if not is_channel_name(name):
            raise ValueError(f"{name!r} is no channel name")
    return names
