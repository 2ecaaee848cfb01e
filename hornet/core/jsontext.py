"""JSON as browsers understand it: what Python reads or writes beyond that is refused."""

from __future__ import annotations

import json
from typing import Any


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Made once: json.loads and json.dumps would make new ones for each call with options like these.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)
_ASCII_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), check_circular=False)


_OPENING = ("{", "[")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: not JSON, not UTF-8, ``NaN`` or ``Infinity`` (Python's parser takes them, no browser
            does), a number beyond what Python converts, or nesting deeper than the parser's stack.
    """
    if not isinstance(text, str):
        text = text.decode("utf-8")
    try:
        if text[:1] in _OPENING:  # no white space ahead of it: half of what decode() costs goes there
            value, end = _DECODER.raw_decode(text)
            if end == len(text):
                return value
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dump_json(value: object) -> str:
    """The compact JSON text of a value, byte for byte what ``JSON.stringify`` writes for the same data.

    Raises:
        ValueError: the value holds a number that JSON has no text for (``1e999`` is read as infinity), or
            holds itself.
    """
    return _dump(_ENCODER, value)


def dump_ascii_json(value: object) -> str:
    """The same in ASCII alone; other characters are escaped. Raises as :func:`dump_json` does."""
    return _dump(_ASCII_ENCODER, value)


def _dump(encoder: json.JSONEncoder, value: object) -> str:
    try:
        return encoder.encode(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None
