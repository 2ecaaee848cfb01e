"""The rooms of the engine that belong to channels."""

from __future__ import annotations


def room_of(channel: str) -> str:
    """The room of a channel. The prefix keeps names apart from rooms that Socket.IO makes by itself,
    such as the one of each session."""
    return f"channel:{channel}"
