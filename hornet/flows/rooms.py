"""The rooms of the engine that belong to channels and patterns."""

from __future__ import annotations


def room_of(channel: str) -> str:
    """The room of a channel. The prefix keeps names apart from rooms that Socket.IO makes by itself,
    such as the one of each session."""
    return f"channel:{channel}"


def pattern_room(text: str) -> str:
    """The room of the sessions that are subscribed to a pattern, by its canonical text."""
    return f"pattern:{text}"
