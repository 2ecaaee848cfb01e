"""The balancer between clients and nodes. It cuts the network of single clients, with or without a word.

A new session goes to the next node in turn; requests of a session that lives go to the node that has it. The
balancer tells clients apart by the parameter ``client`` of their requests. Polling clients open a connection
for each request.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.continuity.wire import Listener, Wire

CLIENT = re.compile(rb"[?&]client=(\d+)")
SESSION = re.compile(rb"[?&]sid=")
FIRST_S = 5.0


class Balancer(Listener):
    """Passes each request of a client on to one of the nodes, whose ports it is given."""

    def __init__(self, nodes: Sequence[int]) -> None:
        super().__init__()
        self._nodes = list(nodes)
        self._turn = 0
        self._chosen: dict[int, int] = {}
        self._wires: dict[int, set[Wire]] = defaultdict(set)
        self._open: dict[int, asyncio.Event] = {}
        self._refused: set[int] = set()

    async def stop(self) -> None:
        for client in list(self._open):
            self.restore(client)
        await super().stop()

    def cut(self, client: int) -> None:
        """Cut the connections of a client, and refuse new ones until :meth:`restore`."""
        self._refused.add(client)
        for wire in list(self._wires[client]):
            wire.cut()

    def silence(self, client: int) -> None:
        """Let nothing through between a client and the nodes until :meth:`restore`; neither side is told."""
        self._gate(client).clear()

    def restore(self, client: int) -> None:
        """Let the client through again; what was held back on connections that still live follows now."""
        self._refused.discard(client)
        self._gate(client).set()

    def _gate(self, client: int) -> asyncio.Event:
        if client not in self._open:
            self._open[client] = asyncio.Event()
            self._open[client].set()
        return self._open[client]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(FIRST_S):
            first = await reader.readuntil(b"\r\n")
        named = CLIENT.search(first)
        await self._pass_on(int(named[1]) if named else -1, first, reader, writer)

    async def _pass_on(
        self, client: int, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if client in self._refused:
            return
        gate = self._gate(client)
        await gate.wait()
        wire = Wire(reader, writer, gate)
        self._wires[client].add(wire)
        try:
            if SESSION.search(first) and client in self._chosen:
                await wire.run(self._chosen[client], first)
            else:
                await self._open_session(client, wire, first)
        finally:
            self._wires[client].discard(wire)

    async def _open_session(self, client: int, wire: Wire, first: bytes) -> None:
        """Take the next node in turn that listens."""
        for _ in self._nodes:
            self._turn += 1
            port = self._nodes[self._turn % len(self._nodes)]
            try:
                _, probe = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            probe.close()
            self._chosen[client] = port
            await wire.run(port, first)
            return
