"""What a session needs of the server that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.timer_wheel import TimerWheel
from hornet.engine.types import Reason
from hornet.engine.wire.payloads import Packet

if TYPE_CHECKING:
    from hornet.engine.transport.session import EngineSession
    from hornet.engine.transport.websocket import WebSocketTransport


class SessionOwner(Protocol):
    """The server, as its sessions see it."""

    settings: EngineSettings
    counts: Counts
    wheel: TimerWheel
    leases: WriteLeases
    closing: set[WebSocketTransport]
    """WebSockets on their way out: most of them wait for the client's Close frame."""

    def on_message(self, session: EngineSession, message: Packet) -> None:
        """A message came (the text behind the type digit, or binary). Raises Malformed."""
        ...

    def on_ended(self, session: EngineSession, reason: Reason) -> None:
        """The session is no longer open; called once."""
        ...

    def on_link_closed(self, link: WebSocketTransport) -> None:
        """A WebSocket's connection is gone."""
        ...

    def on_gone(self, session: EngineSession) -> None:
        """The session's id means nothing any more; called once, after ``on_ended``."""
        ...
