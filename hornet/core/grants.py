"""Grants: the user and the rights that a valid credential gives to a session.

A token, the backend's answer, a registered session id, a trusted header, a signature: each kind of credential
leads to a :class:`Grant`, and the code that uses the grant does not ask which kind it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from hornet.core.channels import CONTROL_CHANNEL, check_publish_names, is_channel_name, is_utf8_text
from hornet.core.jsontext import dump_json, parse_json

MAX_USER_CHARS = 256
"""Far more than an id of a database, an e-mail address or a UUID needs."""

MAX_GRANT_BYTES = 65_536
"""Of the JSON beside a token: a profile, not a document. It is kept as long as the session lives."""


@dataclass(frozen=True, slots=True)
class Grant:
    """``user`` is None for a guest. ``info`` is any JSON value that others may see in presence.

    ``channels`` are those the session is subscribed to with it; ``publish`` those it may publish on, where
    ``*`` stands for any run of characters. ``attributes`` are facts for plug-ins, which no client sees.
    """

    user: str | None = None
    info: Any = None
    channels: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    attributes: Mapping[str, str] | None = None


def is_user_id(value: object) -> TypeGuard[str]:
    """Return True for a non-empty string of at most ``MAX_USER_CHARS`` characters that UTF-8 can carry."""
    return isinstance(value, str) and 0 < len(value) <= MAX_USER_CHARS and is_utf8_text(value)


def parse_user_id(value: object) -> str:
    """Return a user id as backends write it: a string, or a whole number, which becomes its digits.

    Raises:
        ValueError: it is neither, or too long.
    """
    text = str(value) if type(value) is int else value
    if not is_user_id(text):
        raise ValueError(f"a user id is a string of 1 to {MAX_USER_CHARS} characters, or a whole number")
    return text


def check_grant(grant: Grant) -> None:
    """Check a grant that an authenticator made.

    Raises:
        ValueError: an invalid user id, an invalid or reserved channel, or invalid names to publish on; the
            message says which.
    """
    if grant.user is not None and not is_user_id(grant.user):
        raise ValueError("its 'user' is no user id")
    for channel in grant.channels:
        if not is_channel_name(channel) or channel == CONTROL_CHANNEL:
            raise ValueError("one of its 'channels' is no channel name, or reserved")
    check_publish_names(grant.publish)


def parse_grant(payload: bytes) -> Grant:
    """Parse the grant that a connector stored beside a token: ``{"user", "info", "publish"}``, all optional.

    Raises:
        ValueError: the payload is no such object; the message says what is wrong.
    """
    if len(payload) > MAX_GRANT_BYTES:
        raise ValueError(f"the grant is longer than {MAX_GRANT_BYTES} bytes")
    body = parse_json(payload)
    if not isinstance(body, dict):
        raise ValueError("the grant is no JSON object")
    user = body.get("user")
    publish = body.get("publish", [])
    if not isinstance(publish, list):
        raise ValueError("'publish' is no list of channel names")
    check_publish_names(publish)
    return Grant(None if user is None else parse_user_id(user), body.get("info"), publish=tuple(publish))


def dump_grant(grant: Grant) -> str:
    """Return the text that :func:`parse_grant` reads; empty where the grant has nothing but channels.

    Raises:
        ValueError: JSON can't carry ``info``, or it is too long; or invalid names to publish on.
    """
    check_publish_names(grant.publish)
    body: dict[str, Any] = {}
    if grant.user is not None:
        body["user"] = grant.user
    if grant.info is not None:
        body["info"] = grant.info
    if grant.publish:
        body["publish"] = list(grant.publish)
    text = dump_json(body) if body else ""
    if len(text.encode()) > MAX_GRANT_BYTES:
        raise ValueError(f"the info is longer than {MAX_GRANT_BYTES} bytes")
    return text
