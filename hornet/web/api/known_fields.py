"""Which fields a request has, for the answer to one with another field."""

from __future__ import annotations

import re
import typing
from typing import Any

import msgspec

_UNKNOWN = re.compile(r"Object contains unknown field `.*?`(?: - at `\$(.*)`)?", re.DOTALL)
_FIELD = re.compile(r"\.(\w+)")


def explain(error: msgspec.ValidationError, kind: Any) -> str:
    """Return the text of an error in a request of this kind; for an unknown field, with those that it has."""
    text = str(error)
    unknown = _UNKNOWN.fullmatch(text)
    struct = _struct_at(kind, _FIELD.findall(unknown[1] or "")) if unknown else None
    if struct is None:
        return text
    fields = ", ".join(field.encode_name for field in msgspec.structs.fields(struct))
    return f"{text}; it has {fields}" if fields else f"{text}; it has none"


def _struct_at(kind: Any, path: list[str]) -> type[msgspec.Struct] | None:
    """Return the struct to which a path of fields leads from a type; None where it leads elsewhere."""
    struct = _struct_in(kind)
    if struct is None or not path:
        return struct
    for field in msgspec.structs.fields(struct):
        if field.encode_name == path[0]:
            return _struct_at(field.type, path[1:])
    return None


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a type is, or that it lists."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((struct for inner in typing.get_args(kind) if (struct := _struct_in(inner))), None)
