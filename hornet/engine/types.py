"""The types that cross the engine's border: the handshake, the hooks, and the reasons of an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    TAKEN_OVER = "taken over"
    """The client came back on another connection, and has its session there."""


@dataclass(frozen=True, slots=True)
class RestoredSession:
    """What a client that came back gets: the ids that it had, or new ones.

    A client has recovered for itself if ``pid`` is the one that it sent. The engine makes each id that is
    empty here. ``state`` is for the hooks alone: ``on_connect`` finds it in its handshake.
    """

    sid: str = ""
    pid: str = field(default="", repr=False)
    state: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request that opened a session, and the client's data for its authentication.

    ``headers`` has lower-case names; lines of one name are joined by ``", "``, of ``cookie`` by
    ``"; "``. ``address`` is the client's
    own, seen through trusted proxies. ``peer`` is the address that opened the TCP connection: the proxy's, if
    there is one; ``"unix"`` on a Unix socket. ``protocol`` is the Engine.IO version, 3 or 4. ``auth`` is the
    payload of the CONNECT packet (Socket.IO protocol, https://github.com/socketio/socket.io-protocol,
    "Connection to a namespace"). ``secure`` says whether the connection is under TLS.

    ``pid`` is the secret by which the client may recover this session later; it is empty where the client
    does not recover. Never log it. ``restored`` is what ``on_recover`` returned for a client that came back.
    Such a client sends the ``auth`` payload again; the engine takes its ``pid`` and ``offset`` out.
    """

    auth: object | None
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    address: str
    protocol: int
    peer: str = ""
    secure: bool = False
    pid: str = field(default="", repr=False)
    restored: RestoredSession | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FollowedAnswer:
    """An answer to an event, and what has to be sent right behind it.

    The engine calls ``follow`` in the step in which it queues the answer, so nothing comes in between. It
    also calls it where the client asked for no answer.
    """

    value: Mapping[str, object]
    follow: Callable[[], object]


class Hooks(Protocol):
    """The functions that the engine calls for the default namespace, one after the other for each session."""

    def on_recover(self, handshake: Handshake, pid: str, offset: str) -> Awaitable[RestoredSession | None]:
        """Return the session of a client that came back; None where there is none to return to.

        Called before the client is answered, in an engine with ``recovers``; packets that the client sends
        meanwhile wait. ``pid`` has the form of a pid, and ``offset`` that of an offset or is empty: but the
        client may have made up both. The handshake has no ``pid``.

        The id of the session is free at once: the engine ends a session of this node that still has it, as
        ``Engine.end_silently`` does.

        A connection may end before this returns. A result that is not None is then handled as ever:
        ``on_connect`` is called, and ``on_disconnect`` follows. After None neither is called.
        """
        ...

    def on_connect(self, sid: str, handshake: Handshake) -> Awaitable[object] | None:
        """Handle a session that is connected, and may be sent to from now on.

        What it sends to a restored session before it returns directly follows the answer to the CONNECT.

        The engine awaits what this returns before the session's first event; a coroutine function will do.
        A hook that has nothing to wait for returns None, which saves the session a task.
        """
        ...

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """Handle an event of the client, and return the answer to its acknowledgement, if it asked for one.

        None answers with no argument, a tuple with several. A future (or task) answers when it is done; the
        session's next events don't wait for it. After a :class:`FollowedAnswer`, its ``follow`` is called.
        """
        ...

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Handle the end of a session.

        The session stays in its rooms until this returns, so that ``leave`` can tell whether it was the last.
        """
        ...
