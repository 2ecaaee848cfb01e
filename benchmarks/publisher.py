"""The publisher, a process of its own: it publishes ``{"type", "t": <CLOCK_MONOTONIC ns>, "text"}``.

``burst`` publishes as fast as possible with at most ``--window`` messages in flight. A message is in flight
until the load generator has counted all its deliveries. ``rate`` publishes evenly and waits for no delivery.
The publisher prints how many messages it published, and ends by itself at ``--deadline``. With
``--until-input-ends``, a publisher at a rate also ends when its standard input does.

``--form`` says how: with ``PUBLISH``, recorded in Hornet's history, or as an entry of the stream of
Socket.IO's Redis Streams adapter. With ``--rooms``, the messages go to as many channels in turn.

It uses the standard library only, so that it starts at once, and costs the same in any environment.
"""

from __future__ import annotations

import argparse
import json
import mmap
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

SPIN_S = 0.00005
REPLY_TIMEOUT_S = 10


class RedisPublisher:
    """Publishes over one connection, on each channel in turn. Messages sent together are pipelined."""

    def __init__(self, port: int, channels: Sequence[str], form: str, size_bytes: int, extra: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._commands = [FORMS[form](channel) for channel in channels]
        self._published = 0
        self._extra = extra.encode()
        bare = len(self._body(b""))
        self._text = b"x" * max(0, size_bytes - bare + len(self._extra))
        self._unread = b""

    def publish(self, count: int) -> None:
        """Publish ``count`` messages at once and wait until Redis has taken them."""
        parts = []
        for _ in range(count):
            head, before, after = self._commands[self._published % len(self._commands)]
            body = before + self._body(self._text) + after
            parts.append(b"%s$%d\r\n%s\r\n" % (head, len(body), body))
            self._published += 1
        self._socket.sendall(b"".join(parts))
        self._take_replies(count)

    def _body(self, text: bytes) -> bytes:
        return b'{"type":"news","t":%d,"text":"%s"%s}' % (time.monotonic_ns(), text, self._extra)

    def _take_replies(self, count: int) -> None:
        at = 0
        while count:
            end = end_of_reply(self._unread, at)
            if end:
                at = end
                count -= 1
                continue
            more = self._socket.recv(65536)
            if not more:
                sys.exit("publisher: Redis closed the connection")
            self._unread += more
        self._unread = self._unread[at:]


def end_of_reply(data: bytes, start: int) -> int:
    """Return where the reply that begins at ``start`` ends, or 0 if a part of it is missing.

    An error ends the program. See https://redis.io/docs/latest/develop/reference/protocol-spec/.
    """
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return 0
    kind, value, end = data[start : start + 1], data[start + 1 : line_end], line_end + 2
    if kind == b"-":
        sys.exit(f"publisher: Redis answers {value.decode(errors='replace')}")
    if kind == b"$" and int(value) >= 0:
        end += int(value) + 2
        return end if end <= len(data) else 0
    if kind == b"*":
        for _ in range(int(value)):
            end = end_of_reply(data, end)
            if not end:
                return 0
    return end


Command = tuple[bytes, bytes, bytes]
"""What stands before the last argument of a command, and before and after the message in that argument."""


def command(*words: str, before: bytes = b"", after: bytes = b"") -> Command:
    """Return a command of Redis with ``words`` and one more argument, which holds the message."""
    encoded = [word.encode() for word in words]
    head = b"*%d\r\n" % (len(words) + 1) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
    return head, before, after


def plain(topic: str) -> Command:
    """Return the command that publishes on a topic of Redis."""
    return command("PUBLISH", topic)


def recorded(topic: str) -> Command:
    """Return the command that publishes and records, with the function that Hornet loads into Redis."""
    return command("FCALL", "hornet_publish_topic", "1", "{hornet:history}", topic)


def streams(topic: str) -> Command:
    """Return the command with which the Redis Streams adapter of Socket.IO emits ``message`` to a room."""
    room = json.dumps(topic.removeprefix("hornet:channel:")).encode()
    return command(
        *("XADD", "socket.io", "MAXLEN", "~", "10000", "*"),
        *("uid", "benchmark", "nsp", "/", "type", "3", "data"),
        before=b'{"packet":{"type":2,"data":["message",',
        after=b'],"nsp":"/"},"opts":{"rooms":[%s],"except":[],"flags":{}}}' % room,
    )


FORMS = {"plain": plain, "recorded": recorded, "streams": streams}


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


def at_rate(
    publisher: RedisPublisher, count: int, per_s: float, deadline_s: float, inputs: Sequence[TextIO] = ()
) -> int:
    """Publish one message every ``1 / per_s`` seconds, even when late. Return how many were published.

    It ends early when there is something to read in one of ``inputs``, or their end.
    """
    start = time.monotonic()
    published = 0
    while published < count and time.monotonic() - start < deadline_s:
        if select.select(inputs, [], [], max(0.0, start + published / per_s - time.monotonic()))[0]:
            break
        publisher.publish(1)
        published += 1
    return published


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--channel", required=True)
    parser.add_argument("--rooms", type=int, help="publish to CHANNEL-0, CHANNEL-1 and so on, in turn")
    parser.add_argument("--form", choices=FORMS, default="plain")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--extra-file", type=Path, help="JSON object whose fields every message gets")
    parser.add_argument("--deadline", type=float, required=True)
    parser.add_argument("--rate", type=float, help="messages a second; without it, a burst")
    parser.add_argument("--until-input-ends", action="store_true")
    parser.add_argument("--window", type=int)
    parser.add_argument("--deliveries", type=int, help="how many clients get one message")
    parser.add_argument("--progress", type=Path)
    chosen = parser.parse_args(argv)

    fields = json.loads(chosen.extra_file.read_text()) if chosen.extra_file else {}
    extra = "".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in fields.items())
    channels = [f"{chosen.channel}-{i}" for i in range(chosen.rooms)] if chosen.rooms else [chosen.channel]
    publisher = RedisPublisher(chosen.port, channels, chosen.form, chosen.size, extra)
    if chosen.rate:
        inputs = [sys.stdin] if chosen.until_input_ends else []
        published = at_rate(publisher, chosen.count, chosen.rate, chosen.deadline, inputs)
    else:
        published = burst(
            publisher, chosen.count, chosen.window, chosen.deliveries, chosen.progress, chosen.deadline
        )
    print(published)
    return 0


if __name__ == "__main__":
    sys.exit(main())
