"""JSON as browsers understand it: extensions that Python reads or writes are refused.

Source: RFC 8259 (https://www.rfc-editor.org/rfc/rfc8259#section-6), which has no ``NaN`` and no ``Infinity``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

MAX_EXACT = 10**30
"""Whole Decimals below it are written with all their digits; a longer number means nothing to a browser."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def encode_further(value: object) -> object:
    """Return what JSON carries in place of a value that it has no form for.

    Dates and times become their ISO 8601 text, UUIDs their text, and Decimals numbers: whole ones exactly,
    others as the nearest double, which is what a browser would read.

    Raises:
        ValueError: a value of any other type.
    """
    kind = type(value).__name__
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None and not isinstance(value, type):
        return str(isoformat())
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is not JSON")
        return int(value) if value == value.to_integral_value() and abs(value) < MAX_EXACT else float(value)
    raise ValueError(f"JSON has no form for a value of type {kind!r}: convert it first")


def _make_dump(ensure_ascii: bool) -> Callable[[object], str]:
    """Return a faster ``JSONEncoder.encode``: the encoder in C is made once, not for each call.

    Where the interpreter has no such encoder, or one that takes other arguments, return the method itself.
    """
    encoder = json.JSONEncoder(
        ensure_ascii=ensure_ascii,
        allow_nan=False,
        separators=(",", ":"),
        check_circular=False,
        default=encode_further,
    )
    dump_text = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    try:
        chunks = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # typeshed leaves it out
            None, encoder.default, dump_text, None, ":", ",", False, False, False
        )
        chunks([{"a": 1.5}], 0)
    except (AttributeError, TypeError):
        return encoder.encode

    def dump(value: object) -> str:
        return dump_text(value) if isinstance(value, str) else "".join(chunks(value, 0))

    return dump


# Made once: json.loads and json.dumps would make new ones for each call with options like these.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_dump_any = _make_dump(ensure_ascii=False)
_dump_ascii = _make_dump(ensure_ascii=True)


_OPENING = ("{", "[")


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: not JSON, not UTF-8, ``NaN`` or ``Infinity`` (Python's parser takes them, no browser
            does), a number beyond what Python converts, or nesting deeper than the parser's stack.
    """
    if not isinstance(text, str):
        text = text.decode("utf-8")
    try:
        if text[:1] in _OPENING:  # no white space before it, which takes half of the time of decode()
            value, end = _DECODER.raw_decode(text)
            if end == len(text):
                return value
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dump_json(value: object) -> str:
    """Return the compact JSON text of a value, as ``JSON.stringify`` writes the same data, byte for byte.

    Dates, times, UUIDs and Decimals are written as :func:`encode_further` says.

    Raises:
        ValueError: the value holds a number that JSON has no text for (``1e999`` is read as infinity), a
            value of another type, or itself.
    """
    return _dump(_dump_any, value)


def dump_ascii_json(value: object) -> str:
    """Do as :func:`dump_json`, in ASCII alone: other characters are escaped."""
    return _dump(_dump_ascii, value)


def _dump(dump: Callable[[object], str], value: object) -> str:
    try:
        return dump(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except TypeError as error:  # a key that is no text, number, true, false or null
        raise ValueError(str(error)) from None


def check_depth(value: object, max_depth: int) -> None:
    """Raise unless lists and objects are nested at most ``max_depth`` deep in ``value``, which holds no loop.

    The value is looked at level by level, so no depth of it can exhaust the stack.

    Raises:
        ValueError: they are nested deeper.
    """
    level: list[object] = [value]
    for _ in range(max_depth):
        level = [
            child
            for container in level
            if isinstance(container, list | dict)
            for child in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    if any(isinstance(inner, list | dict) for inner in level):
        raise ValueError("nested too deeply")
