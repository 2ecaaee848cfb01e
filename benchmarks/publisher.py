"""The publisher, a process of its own: it publishes ``{"type", "t": <CLOCK_MONOTONIC ns>, "text"}``.

``burst`` publishes as fast as possible with at most ``--window`` messages in flight. A message is in flight
until the load generator has counted all its deliveries. ``rate`` publishes evenly and waits for no delivery.
The publisher prints how many messages it published, and ends by itself at ``--deadline``.

It uses the standard library only, so that it starts at once, and costs the same in any environment.
"""

from __future__ import annotations

import argparse
import json
import mmap
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SPIN_S = 0.00005
REPLY_TIMEOUT_S = 10


class RedisPublisher:
    """Publishes on one channel over one connection. Messages that are sent together are pipelined."""

    def __init__(self, port: int, channel: str, size_bytes: int, extra: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = channel.encode()
        self._head = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n" % (len(name), name)
        self._extra = extra.encode()
        bare = len(self._body(b""))
        self._text = b"x" * max(0, size_bytes - bare + len(self._extra))
        self._unread = b""

    def publish(self, count: int) -> None:
        """Publish ``count`` messages at once and wait until Redis has taken them."""
        parts = []
        for _ in range(count):
            body = self._body(self._text)
            parts.append(b"%s$%d\r\n%s\r\n" % (self._head, len(body), body))
        self._socket.sendall(b"".join(parts))
        self._take_replies(count)

    def _body(self, text: bytes) -> bytes:
        return b'{"type":"news","t":%d,"text":"%s"%s}' % (time.monotonic_ns(), text, self._extra)

    def _take_replies(self, count: int) -> None:
        while count:
            line, separator, rest = self._unread.partition(b"\r\n")
            if not separator:
                more = self._socket.recv(65536)
                if not more:
                    sys.exit("publisher: Redis closed the connection")
                self._unread += more
                continue
            if line.startswith(b"-"):
                sys.exit(f"publisher: {line.decode(errors='replace')}")
            self._unread = rest
            count -= 1


def burst(
    publisher: RedisPublisher, count: int, window: int, deliveries: int, progress: Path, deadline_s: float
) -> int:
    """Publish with ``window`` messages in flight, each with ``deliveries``; return the number."""
    end = time.monotonic() + deadline_s
    published = 0
    with progress.open("rb") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as shared:
        while published < count and time.monotonic() < end:
            delivered: int = struct.unpack("Q", shared[:8])[0] // deliveries
            room = min(count - published, window - (published - delivered))
            if room > 0:
                publisher.publish(room)
                published += room
            else:
                time.sleep(SPIN_S)
    return published


def at_rate(publisher: RedisPublisher, count: int, per_s: float, deadline_s: float) -> int:
    """Publish one message every ``1 / per_s`` seconds, even when late. Return how many were published."""
    start = time.monotonic()
    published = 0
    while published < count and time.monotonic() - start < deadline_s:
        time.sleep(max(0.0, start + published / per_s - time.monotonic()))
        publisher.publish(1)
        published += 1
    return published


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--extra-file", type=Path, help="JSON object whose fields every message gets")
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--rate", type=float, help="messages a second; without it, a burst")
    parser.add_argument("--window", type=int)
    parser.add_argument("--deliveries", type=int, help="how many clients get one message")
    parser.add_argument("--progress", type=Path)
    chosen = parser.parse_args(argv)

    fields = json.loads(chosen.extra_file.read_text()) if chosen.extra_file else {}
    extra = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in fields.items())
    publisher = RedisPublisher(chosen.port, chosen.channel, chosen.size, extra)
    if chosen.rate:
        published = at_rate(publisher, chosen.count, chosen.rate, chosen.deadline)
    else:
        published = burst(
            publisher, chosen.count, chosen.window, chosen.deliveries, chosen.progress, chosen.deadline
        )
    print(published)
    return 0


if __name__ == "__main__":
    sys.exit(main())
