"""The types that cross the engine's border: the handshake, the hooks, and the reasons of an end."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Reason(StrEnum):
    """The reason why a session ended. The value is the one of the Node server, where it has a name for it.

    https://socket.io/docs/v4/server-socket-instance/#disconnect
    """

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
    """The request that opened a session, and the client's data for its authentication.

    ``headers`` has lower-case names; lines of one name are joined by ``", "``, of ``cookie`` by
    ``"; "``. ``address`` is the client's
    own, seen through trusted proxies. ``peer`` is the address that opened the TCP connection: the proxy's, if
    there is one; ``"unix"`` on a Unix socket. ``protocol`` is the Engine.IO version, 3 or 4. ``auth`` is the
    payload of the CONNECT packet (Socket.IO protocol, https://github.com/socketio/socket.io-protocol,
    "Connection to a namespace"). ``secure`` says whether the connection is under TLS.
    """

    auth: object | None
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    address: str
    protocol: int
    peer: str = ""
    secure: bool = False


class Hooks(Protocol):
    """The functions that the engine calls for the default namespace, one after the other for each session."""

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """Handle a session that is connected, and may be sent to from now on.

        The engine awaits what this returns before the session's first event; a coroutine function will do.
        A hook that has nothing to wait for returns None, which saves the session a task.
        """
        ...

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """Handle an event of the client, and return the answer to its acknowledgement, if it asked for one.

        None answers with no argument, a tuple with several. A future (or task) answers when it is done; the
        session's next events don't wait for it.
        """
        ...

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Handle the end of a session.

        The session stays in its rooms until this returns, so that ``leave`` can tell whether it was the last.
        """
        ...
