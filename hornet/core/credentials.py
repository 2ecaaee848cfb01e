"""The credentials of a client: a token, the channels to join, and the form in which it gets messages.

The same fields are read from four places: event ``message`` with a JSON string (the classic way) or an
object, the Socket.IO ``auth`` payload, and the handshake's query string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeGuard

from hornet.core import codes
from hornet.core.channels import is_channel_name
from hornet.core.errors import RefusedCredentials
from hornet.core.jsontext import parse_json
from hornet.core.messages import Delivery
from hornet.core.tokens import is_token

MAX_CHANNELS = 100
"""How many channels a client may name in one attempt. A page needs a handful."""

_NO_OBJECTS = (str, NoneType, list)


@dataclass(frozen=True, slots=True)
class Credentials:
    """``token`` and distinct ``channels``, well-formed but not yet checked against Redis.

    There are no channels where a client shows a token only for the user that the token carries.
    """

    token: str
    channels: tuple[str, ...]


def read_fields(value: object) -> Mapping[str, Any]:
    """Return the fields of an object, or of the JSON text of an object; none for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = parse_json(value)
        except ValueError:
            return {}
    return value if is_object(value) else {}


def is_object(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return True for a JSON object. Nearly all are ``dict``s; a check for any mapping costs 1 µs."""
    return isinstance(value, dict) or (not isinstance(value, _NO_OBJECTS) and isinstance(value, Mapping))


def parse_credentials(value: object) -> Credentials:
    """Read a JSON string or an object with ``token`` and ``channels`` (or ``channel``).

    Raises:
        RefusedCredentials: ``WRONG_PARAMETERS`` when it is neither, or a field is missing or malformed.
    """
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            raise _wrong("the message is not JSON") from None
    if not is_object(value):
        raise _wrong("the message is not an object")
    token = value.get("token")
    if not is_token(token):
        raise _wrong("'token' is missing or not a token")
    return Credentials(token, _parse_channels(value))


def parse_delivery(fields: object, default: Delivery) -> Delivery:
    """Return the ``delivery`` that a client asks for; ``default`` when it does not ask for any.

    Raises:
        RefusedCredentials: ``WRONG_PARAMETERS`` for a word that names no delivery.
    """
    delivery = fields.get("delivery") if is_object(fields) else None
    if delivery is None:
        return default
    try:
        return Delivery(delivery)
    except ValueError:
        raise _wrong("'delivery' is neither 'message' nor 'event'") from None


def query_fields(query: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return the credential fields of a query string, as the object that :func:`parse_credentials` reads.

    ``channels`` may be repeated, a JSON list, or joined by commas (as Socket.IO clients write a list);
    ``channel`` may be repeated and is taken as it stands. Empty when the query carries none of them.
    """
    fields: dict[str, object] = {}
    for name in ("token", "delivery"):
        if values := query.get(name):
            fields[name] = values[-1]
    channels: list[object] = list(query.get("channel", ()))
    for value in query.get("channels", ()):
        channels.extend(_split_channels(value))
    if channels:
        fields["channels"] = channels
    return fields


def shows_credentials(fields: object) -> bool:
    """Return True when ``auth`` or the query carries credentials; a client without any makes no error."""
    return is_object(fields) and ("token" in fields or "channels" in fields or "channel" in fields)


def _parse_channels(fields: Mapping[str, object]) -> tuple[str, ...]:
    channels = fields.get("channels")
    if channels is None:
        channels = fields.get("channel")
    if not isinstance(channels, list | tuple):
        channels = [channels]  # a single name is one channel, never a list of letters
    names = [str(name) if type(name) is int else name for name in channels]
    if len(names) > MAX_CHANNELS:
        raise _wrong(f"'channels' asks for more than {MAX_CHANNELS} channels")
    valid = [name for name in names if is_channel_name(name)]
    if len(valid) < len(names):
        raise _wrong("'channels' is missing or holds something that is no channel name")
    return tuple(dict.fromkeys(valid))


def _split_channels(value: str) -> Sequence[object]:
    if value.startswith("["):
        try:
            listed = parse_json(value)
        except ValueError:
            pass
        else:
            return listed if isinstance(listed, list) else [value]
    return [part for part in value.split(",") if part]


def _wrong(detail: str) -> RefusedCredentials:
    return RefusedCredentials(codes.WRONG_PARAMETERS, detail)
