"""The record of a session: what makes a client the same session again after its connection was lost.

A session that asked for recovery has a *pid*, a secret that only its client and its node know. Redis keeps
the session's record under a digest of the pid, so that a reader of Redis can't come back as the session.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hornet.core.channels import check_publish_names, is_channel_name
from hornet.core.grants import is_user_id
from hornet.core.history import parse_offset
from hornet.core.jsontext import dump_json, parse_json
from hornet.core.messages import Delivery
from hornet.core.tokens import is_token

MAX_PID_CHARS = 128
"""Hornet's own have 24; a longer text is none of them."""

MAX_SID_CHARS = 64


@dataclass(frozen=True, slots=True)
class HeldChannel:
    """A channel of a session: which sides subscribed it (``by``), and the offset at which it entered."""

    by: int
    since: str


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """Everything that a node has to know to take over a session."""

    sid: str
    user: str | None = None
    info: Any = None
    attributes: Mapping[str, str] | None = None
    publish: tuple[str, ...] = ()
    channels: Mapping[str, HeldChannel] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()
    """Their canonical texts."""
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The channels that each token opened. Tokens are used up, but ``only`` and ``except`` name them."""
    delivery: Delivery = Delivery.MESSAGE


def digest_pid(pid: object) -> str | None:
    """Return the name under which the record of ``pid`` is kept; None for what is no pid."""
    if not isinstance(pid, str) or not 0 < len(pid) <= MAX_PID_CHARS or not pid.isascii():
        return None
    return hashlib.sha256(pid.encode()).hexdigest()[:32]


def dump_record(record: SessionRecord) -> str:
    """Return the text that :func:`parse_record` reads.

    Raises:
        ValueError: JSON can't carry ``info``.
    """
    fields: dict[str, object] = {"sid": record.sid}
    if record.user is not None:
        fields["user"] = record.user
    if record.info is not None:
        fields["info"] = record.info
    if record.attributes:
        fields["attributes"] = dict(record.attributes)
    if record.publish:
        fields["publish"] = list(record.publish)
    if record.channels:
        fields["channels"] = {
            name: {"by": channel.by, "from": channel.since} for name, channel in record.channels.items()
        }
    if record.patterns:
        fields["patterns"] = list(record.patterns)
    if record.tokens:
        fields["tokens"] = {token: list(channels) for token, channels in record.tokens.items()}
    if record.delivery is not Delivery.MESSAGE:
        fields["delivery"] = record.delivery.value
    return dump_json(fields)


def parse_record(payload: bytes) -> SessionRecord:
    """Parse a record as a node wrote it.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    body = parse_json(payload)
    if not isinstance(body, dict):
        raise ValueError("the record is no JSON object")
    sid, user = body.get("sid"), body.get("user")
    if not isinstance(sid, str) or not 0 < len(sid) <= MAX_SID_CHARS or not sid.isascii():
        raise ValueError("'sid' is no id of a session")
    if user is not None and not is_user_id(user):
        raise ValueError("'user' is no user id")
    publish = _texts(body, "publish")
    check_publish_names(publish)
    return SessionRecord(
        sid=sid,
        user=user,
        info=body.get("info"),
        attributes=_parse_attributes(body.get("attributes")),
        publish=publish,
        channels={name: _parse_channel(name, held) for name, held in _object(body, "channels").items()},
        patterns=_texts(body, "patterns"),
        tokens={token: _parse_token(token, opened) for token, opened in _object(body, "tokens").items()},
        delivery=Delivery(body.get("delivery", Delivery.MESSAGE.value)),
    )


def _parse_channel(name: str, held: object) -> HeldChannel:
    by, since = (held.get("by"), held.get("from")) if isinstance(held, dict) else (None, None)
    if not is_channel_name(name) or type(by) is not int or not 0 < by <= 3 or not isinstance(since, str):
        raise ValueError("'channels' has something that is no channel")
    if since:
        parse_offset(since)
    return HeldChannel(by, since)


def _parse_token(token: str, channels: object) -> tuple[str, ...]:
    if not is_token(token) or not isinstance(channels, list) or not all(map(is_channel_name, channels)):
        raise ValueError("'tokens' has something that is no token")
    return tuple(channels)


def _parse_attributes(value: object) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("'attributes' is no object of texts")
    return value


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name!r} is no object")
    return value


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{name!r} is no list of texts")
    return tuple(value)
