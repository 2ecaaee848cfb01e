"""What is a channel's name, and which names are Hornet's own."""

from __future__ import annotations

from typing import TypeGuard

CONTROL_CHANNEL = "hornet"
"""The reserved channel: Hornet's own answers to a client, and the backend's control messages to Hornet."""

MAX_CHANNEL_CHARS = 512
"""Far above any name in use; it keeps a hostile client from storing text in Hornet's tables."""


def is_channel_name(value: object) -> TypeGuard[str]:
    """True for a non-empty string of at most ``MAX_CHANNEL_CHARS`` characters that UTF-8 can carry.

    Any character is allowed, ``:`` included: backends of the Node server name channels as they please.
    A lone surrogate is not, since no Redis key can hold it.
    """
    return isinstance(value, str) and 0 < len(value) <= MAX_CHANNEL_CHARS and is_utf8_text(value)


def is_utf8_text(value: str) -> bool:
    """False for text with a lone surrogate: JSON may carry one, UTF-8 can't."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
