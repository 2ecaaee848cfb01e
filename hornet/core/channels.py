"""Which names a channel may have, and of which kind a channel is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import Enum, auto
from typing import TypeGuard

from hornet.core import codes
from hornet.core.errors import PeerError

CONTROL_CHANNEL = "hornet"
"""The reserved channel: Hornet's own answers to a client, and the backend's control messages to Hornet."""

PRIVATE_PREFIX = "private-"

MAX_CHANNEL_CHARS = 512
"""Far above any name in use; it keeps hostile clients from storing text in Hornet's tables."""

MAX_WILDCARDS = 8
"""Of one name that a session may publish on: each ``*`` costs a search at each publish."""

MAX_PUBLISH_NAMES = 1000
"""That a session may publish on; they are compared with the channel of each publish."""


class Kind(Enum):
    """The kinds of channels, by the proof that a session needs to subscribe to one."""

    CONTROL = auto()
    """No proof suffices: the channel is Hornet's own, and every session has it."""
    PRIVATE = auto()
    """A signature of the backend for this very session; or a token, as for any channel."""
    PUBLIC = auto()
    """Any credential: every authenticated session may subscribe."""
    TOKEN = auto()
    """A token that names the channel."""


class Names:
    """A set of channel names written as patterns, where ``*`` stands for any run of characters, also none.

    A look-up compares the name once with each pattern that has a ``*``, without trying a place twice. Names
    without one cost a single look-up, however many they are.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        self._exact = frozenset(pattern for pattern in self.patterns if "*" not in pattern)
        self._wild = tuple(_split(pattern) for pattern in self.patterns if "*" in pattern)

    def __contains__(self, name: str) -> bool:
        return name in self._exact or any(_is_match(pieces, name) for pieces in self._wild)

    def __len__(self) -> int:
        return len(self.patterns)

    def __or__(self, patterns: Iterable[str]) -> Names:
        """Return the names of both."""
        return Names((*self.patterns, *patterns))


_Pieces = tuple[str, tuple[str, ...], str]
"""What a pattern has before its first ``*``, between the others, and behind the last one."""


def _split(pattern: str) -> _Pieces:
    first, *middle, last = pattern.split("*")
    return first, tuple(piece for piece in middle if piece), last


def _is_match(pieces: _Pieces, name: str) -> bool:
    first, middle, last = pieces
    if not name.startswith(first):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in middle:  # the first place that fits leaves the most for the pieces behind it
        at = name.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end and name.endswith(last)


NO_NAMES = Names(())


def kind_of(channel: str, public: Names = NO_NAMES) -> Kind:
    """Return the kind of ``channel``, where ``public`` has the names that are open to all.

    A private channel stays private even if its name is in ``public``, and in upper case too: signatures are
    the same for ``Private-A`` and ``private-a``.
    """
    if channel == CONTROL_CHANNEL:
        return Kind.CONTROL
    if channel[: len(PRIVATE_PREFIX)].lower() == PRIVATE_PREFIX:
        return Kind.PRIVATE
    return Kind.PUBLIC if channel in public else Kind.TOKEN


def is_channel_name(value: object) -> TypeGuard[str]:
    """Return True for a non-empty string of at most ``MAX_CHANNEL_CHARS`` characters that UTF-8 can carry.

    Any character is allowed, ``:`` included, and names that differ in case are different, since backends of
    the Node server use any names. A lone surrogate is not allowed: no Redis key can hold it.
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_CHANNEL_CHARS and is_utf8_text(value)


def check_channel(value: object) -> str:
    """Return a channel name that a client or a backend may use: any valid name but the reserved one.

    Raises:
        PeerError: ``BAD_CHANNEL``; the detail says what is wrong with it.
    """
    if not isinstance(value, str):
        raise PeerError(codes.BAD_CHANNEL, "a channel's name is a string")
    if value == CONTROL_CHANNEL:
        raise PeerError(codes.BAD_CHANNEL, f"channel '{CONTROL_CHANNEL}' is reserved")
    if not is_channel_name(value):
        raise PeerError(
            codes.BAD_CHANNEL, f"a channel's name has 1 to {MAX_CHANNEL_CHARS} characters of UTF-8"
        )
    return value


def check_token_channels(names: Iterable[str]) -> None:
    """Refuse a wildcard among the channels that a token opens, since it would open nothing that was meant.

    A name with a colon may be the text of a pattern, in which a ``*`` is right.

    Raises:
        ValueError: the name, and what to do.
    """
    for name in names:
        if "*" in name and ":" not in name:
            raise ValueError(
                f"{name!r} would open the one channel of that name: only 'publish' takes wildcards, so name "
                "each channel"
            )


def check_publish_names(names: Collection[str]) -> None:
    """Check the names, with ``*`` for any characters, of the channels that a grant lets a session publish on.

    Raises:
        ValueError: there are too many, or one is no text, too long, or has too many ``*``.
    """
    if len(names) > MAX_PUBLISH_NAMES:
        raise ValueError(f"'publish' has more than {MAX_PUBLISH_NAMES} names")
    for name in names:
        if not isinstance(name, str) or len(name) > MAX_CHANNEL_CHARS:
            raise ValueError(f"a name in 'publish' is no text of at most {MAX_CHANNEL_CHARS} characters")
        if name.count("*") > MAX_WILDCARDS:
            raise ValueError(f"a name in 'publish' has more than {MAX_WILDCARDS} '*'")


def is_utf8_text(value: str) -> bool:
    """Return False for text with a lone surrogate, which JSON may carry and UTF-8 can't."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
