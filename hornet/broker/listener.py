"""The subscription connection: hears what backends publish, on exactly the channels that are wanted.

One connection per node. A writer sends SUBSCRIBE and UNSUBSCRIBE in the order they were asked for; the
reader gets messages and the confirmations, which Redis gives in that same order. A subscription counts
only when it is confirmed, so a client is told `connected` only once nothing published can pass it by.

When the connection is lost, the wanted channels are subscribed anew with growing, jittered waits. What was
published meanwhile is not heard: pub/sub has no memory.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hornet.broker.client import explain

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 5.0
"""Longest wait between attempts; Redis is usually on the same network, so a long wait only adds downtime."""

MESSAGES_PER_TURN = 64
"""How many messages are handled before the loop may run something else."""


class Receive(Protocol):
    def __call__(self, topic: str, payload: bytes) -> None: ...


@dataclass(slots=True)
class _Wanted:
    """A topic with its number of holders; ``confirmed`` is done while Redis is known to send it."""

    confirmed: asyncio.Future[None]
    holders: int = 0


class Listener:
    """Keeps every topic that somebody holds subscribed, while :meth:`run` runs.

    ``connect`` gives a fresh client for attempt number n. ``receive`` is called for each message, in
    Redis's order; it must not raise and must not block.
    """

    def __init__(self, connect: Callable[[int], Redis], receive: Receive, *, heartbeat_s: float) -> None:
        self._connect = connect
        self._receive = receive
        self._heartbeat_s = heartbeat_s
        self._wanted: dict[str, _Wanted] = {}
        self._unsent: deque[tuple[bytes, str]] = deque()
        self._sent: deque[asyncio.Future[None] | None] = deque()
        self._work = asyncio.Event()
        self._connected = asyncio.Event()
        self.reconnections = 0

    @property
    def is_connected(self) -> bool:
        """True while every wanted topic was confirmed on the present connection at least once."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        await self._connected.wait()

    @property
    def topics(self) -> int:
        """How many topics are held now."""
        return len(self._wanted)

    async def hold(self, topic: str) -> None:
        """Return once ``topic`` is confirmed subscribed, however long Redis is away.

        Each call is one holder and is owed one :meth:`release`, also when it was cancelled.
        """
        wanted = self._wanted.get(topic)
        if wanted is None:
            wanted = self._wanted[topic] = _Wanted(asyncio.get_running_loop().create_future())
            self._enqueue(b"SUBSCRIBE", topic)
        wanted.holders += 1
        await asyncio.shield(wanted.confirmed)

    def release(self, topic: str) -> None:
        """Give up one hold; with the last one the topic is unsubscribed."""
        wanted = self._wanted[topic]
        wanted.holders -= 1
        if not wanted.holders:
            del self._wanted[topic]
            self._enqueue(b"UNSUBSCRIBE", topic)

    async def run(self) -> None:
        """Listen until cancelled, through any number of lost connections."""
        attempt = 0
        while True:
            try:
                await self._serve_connection(attempt)
            except (RedisError, OSError, TimeoutError) as error:
                reason = explain(error)
            else:
                reason = "no answer to a heartbeat"
            attempt = 0 if self.is_connected else attempt + 1
            self._connected.clear()
            self.reconnections += 1
            wait_s = min(MAX_BACKOFF_S, 0.1 * 2 ** min(attempt, 10)) * random.uniform(0.5, 1.0)
            log.warning(
                "Lost the subscription connection to Redis (%s); trying again in %.1f s", reason, wait_s
            )
            await asyncio.sleep(wait_s)

    async def _serve_connection(self, attempt: int) -> None:
        """One connection, from its start to its end. Returns when it no longer answers."""
        client = self._connect(attempt)
        connection = await client.connection_pool.get_connection()
        try:
            self._want_all_again()
            work = {
                asyncio.create_task(self._write(connection), name="hornet-listener-write"),
                asyncio.create_task(self._read(connection), name="hornet-listener-read"),
            }
            try:
                ended, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in work:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
            for task in ended:
                task.result()
        finally:
            await connection.disconnect(nowait=True)
            await client.connection_pool.release(connection)
            await client.aclose()

    def _want_all_again(self) -> None:
        """A fresh connection has no subscriptions: forget what was sent, ask for all that is wanted."""
        self._sent.clear()
        self._unsent.clear()
        loop = asyncio.get_running_loop()
        for topic, wanted in self._wanted.items():
            if wanted.confirmed.done():
                wanted.confirmed = loop.create_future()
            self._enqueue(b"SUBSCRIBE", topic)

    def _enqueue(self, command: bytes, topic: str) -> None:
        self._unsent.append((command, topic))
        self._work.set()

    async def _write(self, connection: Any) -> None:
        """Send what was asked for, neighbours of one kind in one command."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._unsent:
                command = self._unsent[0][0]
                topics = []
                while self._unsent and self._unsent[0][0] == command:
                    topic = self._unsent.popleft()[1]
                    topics.append(topic)
                    wanted = self._wanted.get(topic) if command == b"SUBSCRIBE" else None
                    self._sent.append(wanted.confirmed if wanted else None)
                await connection.send_command(command, *topics, check_health=False)

    async def _read(self, connection: Any) -> None:
        """Dispatch what arrives; return when a probe stays unanswered for a heartbeat."""
        probed = False
        handled = 0
        while True:
            answer = await connection.read_response(
                timeout=self._heartbeat_s, disconnect_on_error=False, push_request=True
            )
            if answer is None:
                if probed:
                    return
                probed = True
                await connection.send_command("PING", check_health=False)
                continue
            probed = False
            self._dispatch(answer)
            handled += 1
            if handled % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _dispatch(self, answer: Any) -> None:
        kind = answer[0]
        if kind == b"message":
            topic = answer[1].decode()
            if topic in self._wanted:
                self._receive(topic, answer[2])
        elif kind in (b"subscribe", b"unsubscribe"):
            confirmed = self._sent.popleft()
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            if not self._sent and not self._unsent:
                self._connected.set()
