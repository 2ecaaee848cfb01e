"""The hooks of a server that accepts no session yet."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from hornet.engine.types import Handshake, RestoredSession


class NotStarted:
    """Hooks that nobody may call before ``Engine.start`` gives others."""

    async def on_recover(self, handshake: Handshake, pid: str, offset: str) -> RestoredSession | None:
        raise RuntimeError("the engine is not started")

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        raise RuntimeError("the engine is not started")

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        raise RuntimeError("the engine is not started")

    async def on_disconnect(self, sid: str, reason: str) -> None:
        raise RuntimeError("the engine is not started")
