"""The rooms of the engine that belong to channels and patterns."""

from __future__ import annotations


def room_of(channel: str) -> str:
    """The room of a channel. The prefix keeps names apart from rooms that Socket.IO makes by itself,
    such as the one of each session."""
    return f"channel:{channel}"


def presence_room(channel: str) -> str:
    """The room of the sessions that are members of a channel, and so are told who else is."""
    return f"presence:{channel}"


def pattern_room(text: str) -> str:
    """The room of the sessions that are subscribed to a pattern, by its canonical text."""
    return f"pattern:{text}"
