"""Pattern subscriptions: sets of keys and values, their text, and which publication matches which.

A publication goes to a set of keys, each with a value: ``{"kind": "news", "channel": "CNN"}``. Its text is
its Redis topic, ``channel:CNN|kind:news``: the pairs in the order of their keys' code points, so the order
in which somebody writes them never matters.

A subscription names keys in the same way. The value ``*`` stands for any value; with ``subset``, publications
that have further keys match too. Its canonical text is like a topic, with a bare ``*`` where any value does
and ``|*`` at its end where further keys do: ``channel:*|kind:news|*``.

In keys and values ``:``, ``|``, ``*`` and ``%`` are written as ``%3A``, ``%7C``, ``%2A`` and ``%25``. So no
two patterns share a text, and a ``*`` in a text is always a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from hornet.core import codes
from hornet.core.channels import is_utf8_text
from hornet.core.errors import PeerError

ANY = "*"

MAX_KEYS = 16
"""Publications are named by a handful of keys."""

MAX_PATTERN_CHARS = 512
"""Of the canonical text; the same as for a channel's name."""

RESERVED_KEY = "hornet"
"""Not for patterns: topics that begin with ``hornet:`` are Hornet's own."""

_ESCAPES = str.maketrans({char: f"%{ord(char):02X}" for char in ":|*%"})
_GLOB_ESCAPES = str.maketrans({char: f"\\{char}" for char in "*?[]\\"})
_PAIR = re.compile(r"([^:|*]+):([^:|*]*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a subscription asks for. Equal patterns have equal ``text``, however they were written.

    ``items`` are the escaped keys in order, with their escaped values, or None for any value.
    """

    items: tuple[tuple[str, str | None], ...]
    is_subset: bool = False
    text: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        pairs = [f"{key}:{ANY if value is None else value}" for key, value in self.items]
        object.__setattr__(self, "text", "|".join([*pairs, ANY] if self.is_subset else pairs))

    @property
    def is_exact(self) -> bool:
        """True when exactly one topic matches, the one that equals ``text``."""
        return not self.is_subset and all(value is not None for _, value in self.items)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for key, _ in self.items)

    @property
    def globs(self) -> tuple[str, ...]:
        """For PSUBSCRIBE: they let every topic through that matches, and some that don't.

        What comes through is still to be checked: Redis's ``*`` crosses a ``|``. A topic that matches is let
        through by exactly one of them.
        """
        return self._globs(self.items)

    @property
    def broad_globs(self) -> tuple[str, ...]:
        """The same for any values: patterns with equal keys share them."""
        return self._globs(tuple((key, None) for key in self.keys))

    def _globs(self, items: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
        pairs = [
            f"{key.translate(_GLOB_ESCAPES)}:{ANY if value is None else value.translate(_GLOB_ESCAPES)}"
            for key, value in items
        ]
        if not self.is_subset:
            return ("|".join(pairs),)
        # Further keys may stand before the first one (the second glob), and behind each (its last star).
        text = "|".join(
            pair if value is None else f"{pair}*" for pair, (_, value) in zip(pairs, items, strict=True)
        )
        return (text, f"*|{text}")

    def matches(self, topic: Mapping[str, str]) -> bool:
        """True when the publication on a parsed topic is one that this subscription asks for."""
        if len(topic) != len(self.items) and not (self.is_subset and len(topic) > len(self.items)):
            return False
        for key, wanted in self.items:
            found = topic.get(key)
            if found is None or (wanted is not None and wanted != found):
                return False
        return True


def parse_pattern(shown: object, subset: object = None) -> Pattern:
    """What a client subscribes to: the fields ``pattern`` and ``subset`` of its request.

    Values are strings, or whole numbers, which become their digits.

    Raises:
        PeerError: ``BAD_PATTERN``; the detail says what is wrong.
    """
    if subset is not None and not isinstance(subset, bool):
        raise _bad("'subset' is neither true nor false")
    items = ((key, None if value == ANY else value) for key, value in _pairs(shown))
    pattern = Pattern(
        tuple((_escape(key), None if value is None else _escape(value)) for key, value in items),
        bool(subset),
    )
    return _short(pattern)


def parse_publication(shown: object) -> str:
    """The topic for a publication's keys and values; there are no wildcards in it.

    Raises:
        PeerError: ``BAD_PATTERN``; the detail says what is wrong.
    """
    pairs = _pairs(shown)
    if any(value == ANY for _, value in pairs):
        raise _bad("a publication names its values; '*' is for subscriptions")
    return _short(Pattern(tuple((_escape(key), _escape(value)) for key, value in pairs))).text


def parse_topic(topic: str) -> dict[str, str] | None:
    """The escaped keys and values of a publication's topic, in order; None for one that no pattern writes.

    A backend that forgets to sort the keys is heard by nobody, rather than by some.
    """
    found: dict[str, str] = {}
    last = ""
    for part in topic.split("|"):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            return None
        key = _unescape(pair[1])
        if key <= last or key == RESERVED_KEY:
            return None
        last = key
        found[pair[1]] = pair[2]
    return found


def _pairs(shown: object) -> list[tuple[str, str]]:
    if not isinstance(shown, Mapping) or not shown:
        raise _bad("'pattern' is no object with at least one key")
    if len(shown) > MAX_KEYS:
        raise _bad(f"'pattern' has more than {MAX_KEYS} keys")
    pairs: list[tuple[str, str]] = []
    for key, value in shown.items():
        text = str(value) if type(value) is int and abs(value) < 10**MAX_PATTERN_CHARS else value
        if not isinstance(key, str) or not isinstance(text, str):
            raise _bad("a value in 'pattern' is neither a string nor a whole number")
        if not key or not (is_utf8_text(key) and is_utf8_text(text)):
            raise _bad("a key in 'pattern' is empty, or it holds what UTF-8 can't carry")
        if key == RESERVED_KEY:
            raise _bad(f"key '{RESERVED_KEY}' is reserved")
        if len(key) + len(text) > MAX_PATTERN_CHARS:
            raise _too_long()
        pairs.append((key, text))
    return sorted(pairs)


def _short(pattern: Pattern) -> Pattern:
    if len(pattern.text) > MAX_PATTERN_CHARS:
        raise _too_long()
    return pattern


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)


def _unescape(text: str) -> str:
    if "%" in text:
        for char in ":|*%":  # the percent sign last, lest what it reveals is taken for another escape
            text = text.replace(f"%{ord(char):02X}", char)
    return text


def _too_long() -> PeerError:
    return _bad(f"'pattern' is longer than {MAX_PATTERN_CHARS} characters")


def _bad(detail: str) -> PeerError:
    return PeerError(codes.BAD_PATTERN, detail)
