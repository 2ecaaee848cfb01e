"""Sessions that keep what is written to them, for tests of the fan-out without a network."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from hornet.engine.counts import Counts
from hornet.engine.rooms.broadcast import FanOut
from hornet.engine.rooms.rooms import RoomTable
from hornet.engine.transport.direct_write import MOST, NO_LEASE, NO_SOCKET, NOT_TRIED, SendEach, WriteLeases
from hornet.engine.wire.prepared import PreparedMessage
from tests.engine.application import Text
from tests.engine.caller import until


class Recipient:
    """Stands in for a session on a WebSocket, and for its transport: keeps what is written.

    Its socket, where it has one, takes nothing, a part or all of what it is sent.
    """

    def __init__(self, sid: str, socket: int = NO_SOCKET) -> None:
        self.sid, self.wire_format, self.ws, self.is_open = sid, 0, self, True
        self.socket, self.lease = socket, NO_LEASE
        self.leases = WriteLeases()
        self.written = b""
        self.writes = 0
        self.chance = random.Random(sid)
        self.buffers = False

    def write(self, data: bytes) -> None:
        self.written += data
        self.writes += 1
        self.buffers = self.chance.random() < 0.2

    def send(self, data: bytes) -> int:
        """What the socket takes when it is written to directly."""
        assert not self.buffers, "sent ahead of what the transport still has"
        taken = min(self.chance.choice((0, 1, 10, 1000, 1000)), len(data))
        self.written += data[:taken]
        self.writes += taken == len(data)  # else the rest comes through the transport
        return taken

    def put(self, data: bytes) -> None:
        self.leases.revoke(self.socket)
        self.write(data)

    @property
    def is_clear(self) -> bool:
        buffered, self.buffers = self.buffers, False
        return self.socket != NO_SOCKET and not buffered

    def write_message(self, message: PreparedMessage) -> None:
        self.put(message.frames(self.wire_format))

    def sids(self) -> list[str]:
        return [self.sid]

    @property
    def texts(self) -> list[str]:
        found, rest = [], self.written
        while rest:
            size = rest[1]
            found.append(json.loads(rest[4 : 2 + size])[1])
            rest = rest[2 + size :]
        return found


def table_of(count: int) -> tuple[RoomTable, list[Any]]:
    table, sessions = RoomTable(), [Recipient(f"s{number}", number) for number in range(count)]
    for session in sessions:
        table.add(session.sid, session)  # type: ignore[arg-type]  # has all that is asked of a session
    return table, sessions


def send_each(recipients: Sequence[Recipient]) -> SendEach:
    """Stands in for the compiled loop."""

    def send(
        sockets: Any, leases: Any, valid: Any, start: int, stop: int, data: bytes
    ) -> list[tuple[int, int]]:
        assert stop - start <= MOST
        rest = []
        for index in range(start, stop):
            number = sockets[index]
            passes = number != NO_SOCKET and valid[number] == leases[index] != NO_LEASE
            sent = recipients[number].send(data) if passes else NOT_TRIED
            if sent < len(data):
                rest.append((index, sent))
        return rest

    return send


def fan_out_to(sessions: Sequence[Any], way: str) -> FanOut:
    leases = WriteLeases()
    for session in sessions:
        session.leases, session.lease = leases, leases.grant(session.socket)
    return FanOut(counts=Counts(), leases=leases, send_each=send_each(sessions) if way == "sockets" else None)


async def settle(fanout: FanOut) -> None:
    await until(lambda: not fanout.is_busy)


def message(text: str) -> PreparedMessage:
    return PreparedMessage(Text(text))
