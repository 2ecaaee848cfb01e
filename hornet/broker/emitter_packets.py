"""Packets of emitters for Socket.IO's Redis adapters: an event for rooms, in MessagePack or JSON.

The form is that of ``@socket.io/redis-emitter`` and its likes for other languages: an array of the sender's
id, the packet (``{type, data: [event, ...args], nsp}``), and the options (``{rooms, except, flags}``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it has no types

from hornet.core import codes
from hornet.core.errors import InvalidPublish
from hornet.core.jsontext import parse_json
from hornet.core.messages import RESERVED_EVENTS

EVENT_TYPES = (2, 5)
"""Socket.IO's EVENT and BINARY_EVENT."""

_UNDEFINED = 0
"""The MessagePack extension that JavaScript's packers write for ``undefined``."""


@dataclass(frozen=True, slots=True)
class Emit:
    """An event for ``rooms``, or for everyone where they are empty, but not for the rooms in ``exclude``."""

    namespace: str
    event: str
    args: tuple[Any, ...]
    rooms: frozenset[str]
    exclude: frozenset[str]


def parse_emit(payload: bytes) -> Emit:
    """Parse the emit in a published body. A pickle has neither form: it is refused, never loaded.

    Raises:
        InvalidPublish: ``NOT_AN_EMIT``; the detail says why.
    """
    try:
        _, packet, options = parse_json(payload) if payload[:1] == b"[" else _unpack(payload)
        kind, data, namespace = packet["type"], packet["data"], packet.get("nsp") or "/"
        rooms, exclude = _names(options.get("rooms")), _names(options.get("except"))
        event, *args = data
    # Some of MessagePack's errors are not a ValueError, and a wrong shape may raise any of the others.
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        msgpack.UnpackException,
    ) as error:
        raise InvalidPublish(
            codes.NOT_AN_EMIT, f"it has not the form of an emit ({type(error).__name__})"
        ) from None
    if kind not in EVENT_TYPES or not isinstance(namespace, str):
        raise InvalidPublish(codes.NOT_AN_EMIT, "it is no event of a namespace")
    if not isinstance(event, str) or event in RESERVED_EVENTS:
        raise InvalidPublish(
            codes.NOT_AN_EMIT, "its event has no name, or one that clients keep for themselves"
        )
    return Emit(namespace, event, tuple(args), rooms, exclude)


def _unpack(payload: bytes) -> Any:
    return _plain(msgpack.unpackb(payload, timestamp=3, ext_hook=_extension))


def _extension(code: int, data: bytes) -> Any:
    if code == _UNDEFINED:
        return None
    raise ValueError(f"extension {code} is unknown")


def _plain(value: Any) -> Any:
    """Return the value with each time as the text that JavaScript's JSON has for it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value


def _names(rooms: Iterable[Any] | None) -> frozenset[str]:
    names = list(rooms or ())
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a room is no text")
    return frozenset(names)
