"""The table of sessions, as its sessions and their transports see it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from hornet.engine.counts import Counts
from hornet.engine.settings import EngineSettings
from hornet.engine.transport.direct_write import WriteLeases
from hornet.engine.transport.timer_wheel import TimerWheel
from hornet.engine.transport.transport import Transport
from hornet.engine.types import Reason
from hornet.engine.wire.payloads import Packet

S = TypeVar("S", contravariant=True)
"""The class of its sessions."""


class SessionOwner(Protocol[S]):
    """What sessions share, and what they tell their table."""

    settings: EngineSettings
    counts: Counts
    wheel: TimerWheel
    leases: WriteLeases

    def on_message(self, session: S, message: Packet) -> None:
        """Handle a message: the text behind the type digit, or binary.

        Raises:
            Malformed: the message breaks the protocol of Socket.IO.
        """
        ...

    def on_ended(self, session: S, reason: Reason) -> None:
        """Handle that the session is no longer open; called once."""
        ...

    def on_forgotten(self, session: S) -> None:
        """Forget the session's id; called once, after ``on_ended``."""
        ...

    def on_closing(self, transport: Transport) -> None:
        """Keep a WebSocket that is on its way out, until ``on_closed``."""
        ...

    def on_closed(self, transport: Transport) -> None:
        """Forget a WebSocket whose connection is gone."""
        ...
