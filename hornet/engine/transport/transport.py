"""The interface between a session and its transport: polling or a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hornet.engine.wire.payloads import Packet

CLOSE_PACKET, PING_PACKET, UPGRADE_PACKET, NOOP_PACKET = "1", "2", "5", "6"
"""The packet types without data: Engine.IO protocol (https://github.com/socketio/engine.io-protocol),
"Protocol"."""

IDLE_PACKETS = (UPGRADE_PACKET, NOOP_PACKET)
"""The packets that ask for nothing: an "upgrade" asks for nothing where there is nothing to upgrade."""


class Transport(Protocol):
    """The way from a session to its client: polling, or a WebSocket."""

    @property
    def unsent_bytes(self) -> int:
        """How much waits for the client to read it."""
        ...

    def send(self, packets: Sequence[Packet]) -> bool:
        """Send packets, or queue them for the client to fetch.

        False when more is unsent than the settings allow: the caller must then abort the session.
        """
        ...

    def make_room(self, longest: int) -> None:
        """Let a message of ``longest`` bytes wait beside what the settings allow; it will be written next."""
        ...

    def take(self) -> list[Packet]:
        """Return the packets that are queued; the queue is empty afterwards."""
        ...

    def pause(self) -> None:
        """Answer the poll that waits, if any, so that the client can stop polling."""
        ...

    def close(self, code: int, last: Packet | None = None) -> None:
        """Close a WebSocket with ``code``; answer a waiting poll with the queued packets and ``last``."""
        ...

    def abort(self) -> None:
        """Cut the transport, and drop all unsent data."""
        ...

    def admit(self) -> None:
        """Take longer messages from now on: the client has shown a valid credential."""
        ...

    def pause_reading(self) -> None:
        """Read nothing more from the client, where the transport can stop."""
        ...

    def resume_reading(self) -> None:
        """Read from the client again."""
        ...
