"""What the two transports of the toolkit share."""

from dataclasses import dataclass
from typing import Any, Protocol

from tests.conformance.payloads import Packet

CLOSE, PING, PONG, UPGRADE, NOOP = "1", "2", "3", "5", "6"


@dataclass(frozen=True)
class Opening:
    """The open packet, its fields checked."""

    sid: str
    upgrades: list[str]
    ping_interval_s: float
    ping_timeout_s: float
    max_payload: int | None


def parse_opening(packet: object) -> Opening:
    """Read the content of an open packet; raise if a field is missing or has another type."""
    assert isinstance(packet, dict), packet
    upgrades, max_payload = packet["upgrades"], packet.get("maxPayload")
    assert isinstance(packet["sid"], str)
    assert packet["sid"]
    assert isinstance(upgrades, list)
    assert max_payload is None or isinstance(max_payload, int)
    intervals = packet["pingInterval"], packet["pingTimeout"]
    assert all(isinstance(value, int) and value > 0 for value in intervals), intervals
    return Opening(packet["sid"], upgrades, intervals[0] / 1000, intervals[1] / 1000, max_payload)


class Transport(Protocol):
    """One Engine.IO session, seen from its client."""

    eio: int
    opening: Opening

    async def open(self, **query: str) -> Opening:
        """Make the handshake and read the open packet."""

    async def send(self, *packets: Packet) -> None:
        """Send packets; the server must take them."""

    async def push(self, *packets: Packet) -> None:
        """Send packets that the server may refuse or answer by closing."""

    async def receive(self) -> Packet:
        """Return the next packet that is neither a heartbeat nor a noop."""

    async def closed(self) -> Any:
        """Return once the server has ended the session, kept alive by heartbeats until then."""
