"""What the engine and its user say to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Handshake:
    """What is known of a client when it connects. ``address`` has been read through trusted proxies."""

    auth: object | None
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    address: str
    protocol: int


class Hooks(Protocol):
    """Called by the engine, for one session never two at a time."""

    async def on_connect(self, sid: str, handshake: Handshake) -> None: ...

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """What it returns answers the client's acknowledgement, if it asked for one."""
        ...

    async def on_disconnect(self, sid: str, reason: str) -> None: ...
