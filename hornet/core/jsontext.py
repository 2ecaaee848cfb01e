"""JSON as browsers understand it: what Python reads or writes beyond that is refused."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: not JSON, not UTF-8, ``NaN`` or ``Infinity`` (Python's parser takes them, no browser
            does), a number beyond what Python converts, or nesting deeper than the parser's stack.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dump_json(value: object) -> str:
    """The compact JSON text of a value, byte for byte what ``JSON.stringify`` writes for the same data.

    Raises:
        ValueError: the value holds a number that JSON has no text for (``1e999`` is read as infinity).
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
