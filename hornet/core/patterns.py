"""Pattern subscriptions: sets of keys and values, their text, and which publications match them.

A publication goes to a set of keys, each with a value: ``{"kind": "news", "channel": "CNN"}``. Its text is
its Redis topic, ``channel:CNN|kind:news``: the pairs in the order of their keys' code points, so the order
in which they are written never matters.

A subscription names keys in the same way. The value ``*`` stands for any value; with ``subset``, publications
that have further keys match too. The canonical text of a subscription is like a topic, with ``*`` in place of
any value, and ``|*`` at its end where further keys may follow: ``channel:*|kind:news|*``.

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
"""Of the canonical text; the same limit as for a channel's name."""

RESERVED_KEY = "hornet"
"""A key that patterns may not use: topics that begin with ``hornet:`` are Hornet's own."""

RESERVED_PREFIXES = ("socket.io#", "__sentinel__", "__redis__", "__keyspace@", "__keyevent@")
"""Beginnings of keys that patterns may not use, since their topics mean something to others: to the emitters
of Socket.IO, to the Sentinels, which believe what is published on ``__sentinel__:hello``, and to Redis itself
(https://redis.io/docs/latest/develop/use/keyspace-notifications)."""

_ESCAPES = str.maketrans({char: f"%{ord(char):02X}" for char in ":|*%"})
_GLOB_ESCAPES = str.maketrans({char: f"\\{char}" for char in "*?[]\\"})
_PAIR = re.compile(r"([^:|*]+):([^:|*]*)")
_PAIR_OR_ANY = re.compile(r"([^:|*]+):(\*|[^:|*]*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """The pattern of a subscription. Equal patterns have equal ``text``, however they were written.

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
        """The globs for PSUBSCRIBE. They match every topic of the pattern, and some other topics.

        The topics are still to be checked, since Redis's ``*`` crosses a ``|``. Exactly one of the globs
        matches a topic of the pattern.
        """
        return self._globs(self.items)

    @property
    def broad_globs(self) -> tuple[str, ...]:
        """The globs for any values: patterns with equal keys share them."""
        return self._globs(tuple((key, None) for key in self.keys))

    def _globs(self, items: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
        pairs = [
            f"{key.translate(_GLOB_ESCAPES)}:{ANY if value is None else value.translate(_GLOB_ESCAPES)}"
            for key, value in items
        ]
        if not self.is_subset:
            return ("|".join(pairs),)
        # Further keys may stand before the first key (the second glob), and behind each key (its last star).
        text = "|".join(
            pair if value is None else f"{pair}*" for pair, (_, value) in zip(pairs, items, strict=True)
        )
        return (text, f"*|{text}")

    def matches(self, topic: Mapping[str, str]) -> bool:
        """Return True if a publication on a parsed topic matches."""
        if len(topic) != len(self.items) and not (self.is_subset and len(topic) > len(self.items)):
            return False
        for key, wanted in self.items:
            value = topic.get(key)
            if value is None or (wanted is not None and wanted != value):
                return False
        return True


def parse_pattern(value: object, subset: object = None) -> Pattern:
    """Parse the fields ``pattern`` and ``subset`` of a client's request to subscribe.

    The values in a pattern are strings, or whole numbers, which become their digits.

    Raises:
        PeerError: ``BAD_PATTERN``; the detail says what is wrong.
    """
    if subset is not None and not isinstance(subset, bool):
        raise _bad("'subset' is neither true nor false")
    items = ((key, None if text == ANY else text) for key, text in _pairs(value))
    pattern = Pattern(
        tuple((_escape(key), None if text is None else _escape(text)) for key, text in items),
        bool(subset),
    )
    return _short(pattern)


def parse_pattern_text(text: str) -> Pattern:
    """Parse the canonical text of a pattern, as :attr:`Pattern.text` has it.

    Raises:
        PeerError: ``BAD_PATTERN``.
    """
    parts = text.split("|")
    is_subset = parts[-1] == ANY
    pairs = [_PAIR_OR_ANY.fullmatch(part) for part in (parts[:-1] if is_subset else parts)]
    items = tuple((pair[1], None if pair[2] == ANY else pair[2]) for pair in pairs if pair is not None)
    if not items or len(items) < len(pairs):
        raise _bad("the text is that of no pattern")
    return _short(Pattern(items, is_subset))


def parse_publication(pattern: object) -> str:
    """Return the topic for a publication's keys and values; wildcards are refused.

    Raises:
        PeerError: ``BAD_PATTERN``; the detail says what is wrong.
    """
    pairs = _pairs(pattern)
    if any(value == ANY for _, value in pairs):
        raise _bad("a publication names its values; '*' is for subscriptions")
    return _short(Pattern(tuple((_escape(key), _escape(value)) for key, value in pairs))).text


def parse_topic(topic: str) -> dict[str, str] | None:
    """Return the escaped keys and values of a publication's topic, in order; None for any other topic.

    A topic whose keys are not sorted is none: a backend that forgets to sort them reaches no client at all,
    rather than some.
    """
    pairs: dict[str, str] = {}
    last = ""
    for part in topic.split("|"):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            return None
        key = _unescape(pair[1])
        if key <= last or is_reserved(key):
            return None
        last = key
        pairs[pair[1]] = pair[2]
    return pairs


def is_reserved(key: str) -> bool:
    """Return True for a key whose topics are not those of publications."""
    return key == RESERVED_KEY or key.startswith(RESERVED_PREFIXES)


def _pairs(pattern: object) -> list[tuple[str, str]]:
    if not isinstance(pattern, Mapping) or not pattern:
        raise _bad("'pattern' is no object with at least one key")
    if len(pattern) > MAX_KEYS:
        raise _bad(f"'pattern' has more than {MAX_KEYS} keys")
    pairs: list[tuple[str, str]] = []
    for key, value in pattern.items():
        text = str(value) if type(value) is int and abs(value) < 10**MAX_PATTERN_CHARS else value
        if not isinstance(key, str) or not isinstance(text, str):
            raise _bad("a value in 'pattern' is neither a string nor a whole number")
        if not key or not (is_utf8_text(key) and is_utf8_text(text)):
            raise _bad("a key in 'pattern' is empty, or it holds what UTF-8 can't carry")
        if is_reserved(key):
            raise _bad(f"the key {key[:32]!r} is reserved")
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
        for char in ":|*%":  # the percent sign comes last: what it yields must not be unescaped again
            text = text.replace(f"%{ord(char):02X}", char)
    return text


def _too_long() -> PeerError:
    return _bad(f"'pattern' is longer than {MAX_PATTERN_CHARS} characters")


def _bad(detail: str) -> PeerError:
    return PeerError(codes.BAD_PATTERN, detail)
