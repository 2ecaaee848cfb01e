"""What crosses the engine's border: who connected, who listens, and why a session ended."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Reason(StrEnum):
    """Why a session ended; the value is what Socket.IO's own server calls it, where it has a name for it."""

    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    CLIENT_DISCONNECT = "client namespace disconnect"
    SERVER_DISCONNECT = "server namespace disconnect"
    FORCED_CLOSE = "forced close"
    PARSE_ERROR = "parse error"
    CONNECT_TIMEOUT = "connect timeout"
    SLOW_READER = "slow reader"
    SHUTDOWN = "server shutting down"


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that opened a session, and what the client sent to authenticate itself.

    ``headers`` has lower-case names; a repeated header is joined by ``", "``. ``address`` is the client's
    own, seen through trusted proxies. ``peer`` is the address of whoever opened the TCP connection (the
    proxy, if there is one; ``"unix"`` on a Unix socket). ``protocol`` is the Engine.IO version, 3 or 4.
    """

    auth: object | None
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    address: str
    protocol: int
    peer: str = ""
    secure: bool = False


class Hooks(Protocol):
    """What the engine calls, for the default namespace; awaited one after the other for each session."""

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """The session is connected and may be sent to.

        What this returns, if anything, is awaited before its first event; a coroutine function will do.
        A hook that has nothing to wait for returns None, and spares the session a task.
        """
        ...

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """The client emitted an event; what this returns answers its acknowledgement, if it asked for one.

        None answers with no argument, a tuple with several. A future (or task) answers when it is done; the
        session's next events don't wait for that.
        """
        ...

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """The session is over. Its rooms list it until this returns, so that ``leave`` tells who was last."""
        ...
