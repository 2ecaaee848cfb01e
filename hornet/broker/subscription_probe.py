"""The probe of the subscription connection: a message that the node publishes to itself.

A connection to Redis can be deaf while everything else works: a firewall has forgotten it, its Redis is no
longer the master, or a Cluster's nodes have lost each other. A PING shows nothing of that. So the node
publishes a number on a topic of its own over another connection, and must receive it on this one. With every
few probes the node sends a PING on this one, because a connection may also receive and no longer take
commands.

A command for each probe would be most of what an idle node does. So the script of the node's heartbeat
publishes the probe, too. A probe goes by itself where no heartbeat came through for an interval, for a new
connection, and in doubt: after a late probe, and until something is received again.

A probe is late when an interval has passed since Redis took it. With two late intervals in a row the
connection is lost:

- ``DEAF``: probes that Redis took did not arrive;
- ``MUTE``: probes arrive, but a PING that was sent before them has no answer.

Where Redis takes no probe, nothing is known about the connection, and it stays: a Redis that hangs for ten
seconds goes on where it was, and a new connection would miss what waits on the old one. A node with too much
to do receives its probes behind other messages. An interval in which messages came counts little then,
because a new connection would lose those that still wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from hornet.broker.client import Client, ClusterClient, call
from hornet.broker.keys import NODES
from hornet.core.errors import RedisUnavailable

log = logging.getLogger(__name__)

MAX_LATE = 2.0
"""How many late intervals in a row mean a lost connection. One may be late on a busy machine."""

BUSY_SHARE = 0.1
"""How much a late interval counts in which the connection was busy with other messages."""

MAX_UNDER_WAY = 4
"""How many probes may wait for an answer of Redis at a time."""

PROBES_PER_PING = 4
"""A connection that takes no commands is rare, and each PING costs processor time."""


def probe_publisher(client: Client) -> Callable[[str, str], Awaitable[object]]:
    """Return the function that publishes probes.

    In a Cluster it goes through the Redis node that also keeps the heartbeats of nodes: without that one the
    node is not ready in any case.
    """

    async def publish(topic: str, text: str) -> object:
        if isinstance(client, ClusterClient):
            return await call(client.publish_through, NODES, [(topic, text)])
        return await call(client.publish, topic, text)

    return publish


class Loss(StrEnum):
    """Why a subscription connection was lost; a label of a metric."""

    CLOSED = "closed"
    """Redis, or something between, closed it; or it could not be opened."""
    SILENT = "silent"
    """Nothing came, not even the answer to a PING."""
    DEAF = "deaf"
    MUTE = "mute"


class ProbedConnection(Protocol):
    """What the probe asks of the connection that it probes."""

    turns: int
    """Grows while the connection is busy with messages."""
    pings: int
    """How many PINGs have no answer yet."""

    async def ping(self) -> None:
        """Send a PING."""


class SubscriptionProbe:
    """Probes each subscription connection of a node, one after the other.

    ``publish`` publishes a text on ``topic``, to which the owner subscribes. It may raise
    ``RedisUnavailable``. A probe that arrives later than ``interval_s`` is late.

    A script that publishes regularly may carry a probe: it publishes :meth:`next_text` on ``topic``, and its
    caller then calls :meth:`on_carried` or :meth:`on_not_carried`.
    """

    def __init__(
        self, *, topic: str, publish: Callable[[str, str], Awaitable[object]], interval_s: float
    ) -> None:
        self.topic = topic
        self.is_receiving = False
        """True while probes arrive: what is published reaches this node."""
        self.outages = 0
        """How many times Redis took no probe, until it took one again."""
        self._publish = publish
        self._interval_s = interval_s
        self._sent = 0
        self._accepted = 0
        self._received = 0
        self._late = 0.0
        self._mute = 0.0
        self._out_since: float | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()
        self._carried = asyncio.Event()

    async def wait_receiving(self) -> None:
        """Return once :attr:`is_receiving` is True."""
        while not self.is_receiving:
            self._arrived.clear()
            await self._arrived.wait()

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message on :attr:`topic`. Others may publish there: only a number that was sent counts."""
        if payload.isdigit() and len(payload) < 20 and self._received < int(payload) <= self._sent:
            self._received = int(payload)
            self._late = 0.0
            self.is_receiving = True
            self._arrived.set()

    def next_text(self) -> str:
        """Return the text of a new probe."""
        self._sent += 1
        return str(self._sent)

    def on_carried(self, text: str) -> None:
        """Take note that Redis published a probe."""
        self._accepted = max(self._accepted, int(text))
        self._carried.set()
        if self._out_since is not None:
            out_s = asyncio.get_running_loop().time() - self._out_since
            log.info("Redis carries out commands again, after %.1f s", out_s)
            self._out_since = None

    def on_not_carried(self) -> None:
        """Take note that Redis may be away: from now on only a probe that arrives shows the contrary."""
        self.is_receiving = False
        self._carried.set()

    async def watch(self, connection: ProbedConnection) -> Loss:
        """Probe a connection that has just become usable; return why it must be replaced."""
        self._accepted = self._received = self._sent
        self._late = self._mute = 0.0
        probes = 0
        try:
            while True:
                accepted = self._accepted
                number = await self._probe()
                turns = connection.turns
                probes += 1
                if probes % PROBES_PER_PING == 0 and not connection.pings:
                    await connection.ping()
                await asyncio.sleep(self._interval_s)
                loss = self._judge(
                    min(number, self._accepted),
                    is_busy=connection.turns != turns,
                    is_answering=self._accepted > accepted,
                    is_mute=connection.pings > 0,
                )
                if loss is not None:
                    return loss
        finally:
            self.is_receiving = False
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    @property
    def _is_in_doubt(self) -> bool:
        return not self.is_receiving or self._late > 0

    async def _probe(self) -> int:
        """Wait for a probe that was carried, or start one; return its number."""
        accepted = self._accepted
        if not self._is_in_doubt and accepted > self._received:
            return accepted
        if not self._is_in_doubt:
            await self._wait_carried()
            if not self._is_in_doubt and self._accepted > accepted:
                return self._accepted
        self._start_probe()
        return self._sent

    async def _wait_carried(self) -> None:
        """Return when a probe was carried or should have been, after an interval at the latest."""
        self._carried.clear()
        timer = asyncio.get_running_loop().call_later(self._interval_s, self._carried.set)
        try:
            await self._carried.wait()
        finally:
            timer.cancel()

    def _judge(self, number: int, *, is_busy: bool, is_answering: bool, is_mute: bool) -> Loss | None:
        """Look back on an interval since probe ``number``; return why the connection is lost, or None."""
        if number > self._received:
            self._late += BUSY_SHARE if is_busy else 1.0
            if not is_busy:
                self.is_receiving = False
            return Loss.DEAF if self._late >= MAX_LATE else None
        if not is_mute:
            self._mute = 0.0
        elif is_answering:
            self._mute += 1.0
        return Loss.MUTE if self._mute >= MAX_LATE else None

    def _start_probe(self) -> None:
        if len(self._under_way) >= MAX_UNDER_WAY:
            return
        task = asyncio.create_task(self._send(self.next_text()), name="hornet-probe")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _send(self, text: str) -> None:
        try:
            await self._publish(self.topic, text)
        except RedisUnavailable as error:
            if int(text) > self._accepted:
                self._on_failed(error)
        else:
            self.on_carried(text)

    def _on_failed(self, error: RedisUnavailable) -> None:
        self.is_receiving = False
        if self._out_since is None:
            self._out_since = asyncio.get_running_loop().time()
            self.outages += 1
            log.warning("Redis carries out no commands (%s); until it does, nothing can be published", error)
