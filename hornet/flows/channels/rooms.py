"""The rooms of the engine that belong to channels, to patterns and to users.

The prefixes keep them apart from each other, and from rooms that Socket.IO makes by itself, such as the one
of each session.
"""

from __future__ import annotations


def room_of(channel: str) -> str:
    """The room of a channel."""
    return f"channel:{channel}"


def presence_room(channel: str) -> str:
    """The room of the sessions that are members of a channel, and so are told who else is."""
    return f"presence:{channel}"


def pattern_room(text: str) -> str:
    """The room of the sessions that are subscribed to a pattern, by its canonical text."""
    return f"pattern:{text}"


def room_of_user(user: str) -> str:
    """The room with the sessions of a user on this node."""
    return f"user:{user}"
