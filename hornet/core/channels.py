"""Which names a channel may have, and of which kind a channel is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import TypeGuard

from hornet.core import codes
from hornet.core.errors import PeerError

CONTROL_CHANNEL = "hornet"
"""The reserved channel: Hornet's own answers to a client, and the backend's control messages to Hornet."""

PRIVATE_PREFIX = "private-"

MAX_CHANNEL_CHARS = 512
"""Far above any name in use; it keeps hostile clients from storing text in Hornet's tables."""


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
    """A set of channel names written as patterns, where ``*`` stands for any run of characters, also none."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        joined = "|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in self.patterns)
        self._match = re.compile(joined, re.DOTALL).fullmatch

    def __contains__(self, name: str) -> bool:
        return bool(self.patterns) and self._match(name) is not None


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


def is_utf8_text(value: str) -> bool:
    """Return False for text with a lone surrogate, which JSON may carry and UTF-8 can't."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
