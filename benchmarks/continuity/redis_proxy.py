"""A proxy between one node and Redis, which cuts the node's subscription, or makes it deaf.

A deaf subscription stays open and answers PING, but no message arrives: a firewall or a failed server may
leave a connection so. The proxy finds the subscription by its commands.
"""

from __future__ import annotations

import asyncio

from benchmarks.continuity.wire import Listener, Wire

SUBSCRIBE = b"SUBSCRIBE\r\n"
MESSAGES = (b"message", b"pmessage", b"smessage")


class RedisProxy(Listener):
    """Passes each connection of a node on to Redis."""

    def __init__(self, redis_port: int) -> None:
        super().__init__()
        self.subscriptions: list[Subscription] = []
        """Those that are open."""
        self._redis_port = redis_port

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Subscription(self, reader, writer)
        try:
            await connection.wire.run(self._redis_port)
        finally:
            if connection in self.subscriptions:
                self.subscriptions.remove(connection)


class Subscription:
    """A connection of the node, which is a subscription as soon as the node subscribes on it."""

    def __init__(self, proxy: RedisProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.deaf = False
        self.mute = False
        """Deaf, and without an answer to anything else."""
        self.wire = Wire(reader, writer, to_server=self._notice, to_client=self._filter)
        self._proxy = proxy
        self._unread = b""

    def _notice(self, data: bytes) -> bytes:
        if SUBSCRIBE in data and self not in self._proxy.subscriptions:
            self._proxy.subscriptions.append(self)
        return data

    def _filter(self, data: bytes) -> bytes:
        self._unread += data
        passed, at = [], 0
        while end := end_of_reply(self._unread, at):
            reply = self._unread[at:end]
            if not self.mute and not (self.deaf and is_message(reply)):
                passed.append(reply)
            at = end
        self._unread = self._unread[at:]
        return b"".join(passed)


def is_message(reply: bytes) -> bool:
    """Return whether a reply of Redis is a message of a subscription."""
    words = reply.split(b"\r\n", 3)
    return reply[:1] in b"*>" and len(words) > 2 and words[2] in MESSAGES


def end_of_reply(data: bytes, start: int) -> int:
    """Return where the reply that begins at ``start`` ends, or 0 if a part of it is missing.

    See https://redis.io/docs/latest/develop/reference/protocol-spec/, RESP2 and RESP3.
    """
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return 0
    kind, value, end = data[start : start + 1], data[start + 1 : line_end], line_end + 2
    if kind in b"$=!" and int(value) >= 0:
        end += int(value) + 2
        return end if end <= len(data) else 0
    if kind in b"*>~%|":
        for _ in range(int(value) * (2 if kind in b"%|" else 1) + (kind == b"|")):
            end = end_of_reply(data, end)
            if not end:
                return 0
    return end
