"""The requests that python-socketio processes send each other through Redis, on the channel ``socketio``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from socketio.packet import Packet

from hornet.core.jsontext import parse_json

_REQUIRED = {
    "emit": ("event",),
    "disconnect": ("sid",),
    "enter_room": ("sid", "room"),
    "leave_room": ("sid", "room"),
    "close_room": ("room",),
    "callback": ("host_id", "sid"),
}
"""The fields of each method that must be text."""


def parse_manager_request(payload: bytes) -> dict[str, Any]:
    """Parse what a python-socketio process asks of the others: an object with ``method`` and its fields.

    The stock manager, which carries it out, checks no field.

    Raises:
        ValueError: the payload is no such object.
    """
    request = parse_json(payload)
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise ValueError("no object with a 'method'")
    if request["method"] not in _REQUIRED:
        raise ValueError("an unknown 'method'")
    for name in _REQUIRED[request["method"]]:
        if not isinstance(request.get(name), str | int if name == "room" else str):
            raise ValueError(f"'{name}' is no text")
    if not isinstance(request.get("namespace"), str | None):
        raise ValueError("'namespace' is no text")
    if request["method"] == "emit":
        _check_emit(request)
    if request["method"] == "callback" and not (
        type(request.get("id")) is int and isinstance(request.get("args"), list)
    ):
        raise ValueError("'id' is no number, or 'args' no list")
    return request


def _check_emit(request: Mapping[str, Any]) -> None:
    """Check the other fields of an emit.

    Raises:
        ValueError: one of them does not have its form.
    """
    if "data" not in request:
        raise ValueError("no 'data'")
    for name in ("room", "skip_sid"):
        value = request.get(name)
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str | int | None) for each in names):
            raise ValueError(f"'{name}' is neither text nor a list of texts")
    callback = request.get("callback")
    if callback is not None and not isinstance(callback, list):
        raise ValueError("'callback' is no list")
    if request.get("binary") and not _is_binary(request["data"]):
        raise ValueError("'data' is no list of a packet's data and its attachments")


def _is_binary(data: object) -> bool:
    if not (isinstance(data, list) and len(data) > 1 and all(isinstance(text, str) for text in data[1:])):
        return False
    try:
        Packet.reconstruct_binary(data[0], [base64.b64decode(text) for text in data[1:]])
    except (ValueError, TypeError, LookupError):
        return False
    return True
