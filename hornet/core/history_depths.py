"""How much of what was published on a channel is kept: the rules of the operator."""

from __future__ import annotations

from dataclasses import dataclass

_FORM = "is no rule such as chat:*=1000:3600:10000000, which is GLOB=MESSAGES[:SECONDS[:BYTES]]"


@dataclass(frozen=True, slots=True)
class Depth:
    """The newest ``count`` messages of at most ``age_s``, in about ``max_bytes``. With a count of 0, none."""

    count: int
    age_s: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class DepthRule:
    """The depth of all channels whose names match ``glob``, in which ``*`` and ``?`` are wildcards.

    A user's notices and a pattern's publishes have no channel: there it is the topic that matches.
    """

    glob: str
    depth: Depth


def parse_depth_rule(text: str, otherwise: Depth) -> DepthRule:
    """Parse ``GLOB=MESSAGES[:SECONDS[:BYTES]]``; what a rule leaves out is as ``otherwise``.

    Raises:
        ValueError: it is no such rule.
    """
    glob, equals, numbers = text.rpartition("=")
    parts = numbers.split(":")
    if not equals or not glob or not 1 <= len(parts) <= 3 or not all(_is_number(part) for part in parts):
        raise ValueError(f"{text!r} {_FORM}")
    count, age_s, max_bytes = [int(part) for part in parts] + [None] * (3 - len(parts))
    if count is None or age_s == 0 or max_bytes == 0:
        raise ValueError(f"{text!r} {_FORM}; 0 messages turn the history off")
    return DepthRule(
        glob,
        Depth(
            count,
            otherwise.age_s if age_s is None else age_s,
            otherwise.max_bytes if max_bytes is None else max_bytes,
        ),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
