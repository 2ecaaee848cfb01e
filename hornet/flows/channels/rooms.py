"""Names of the engine's rooms for channels, patterns and users.

The prefixes keep these rooms apart from each other, and from rooms that Socket.IO makes by itself, such as
the room of each session.
"""

from __future__ import annotations

CHANNEL_ROOMS = "channel:"
"""Begins the names of the rooms of channels."""


def room_of(channel: str) -> str:
    """Return the room of a channel."""
    return f"{CHANNEL_ROOMS}{channel}"


def presence_room(channel: str) -> str:
    """Return the room of a channel's members: the sessions that get every change of the members."""
    return f"presence:{channel}"


def pattern_room(text: str) -> str:
    """Return the room of the sessions that are subscribed to a pattern, by its canonical text."""
    return f"pattern:{text}"


def room_of_user(user: str) -> str:
    """Return the room with the sessions of a user on this node."""
    return f"user:{user}"
