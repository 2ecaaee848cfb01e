"""What it costs a node when many members join one channel with presence at the same moment.

    python -m benchmarks.presence_join

All clients send their signed ``hornet:subscribe`` together. The table shows the CPU time of the node until
the last client has its answer and nothing more arrives, the bytes that the clients received, and the longest
time that another client of the node waited for a message meanwhile. The figures are medians of the runs.

``--python`` measures the Hornet of another environment; repeat it to compare several, which then take turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import select
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from redis import Redis

from benchmarks import machine
from benchmarks.errors import RunFailed
from benchmarks.processes import free_port, running, wait_for_port
from benchmarks.usage import cpu_s, wait_until_settled
from benchmarks.valkey import valkey
from hornet.connector import sign_channel

SECRET = "a secret of the benchmark"
CHANNEL = "private-benchmark"
WATCHED = "watched"
"""The channel of the client that must not be kept waiting."""

PAUSE_S = 0.01
"""Between two messages to that client."""

QUIET_S = 1.0
"""The clients have everything when nothing has arrived for so long."""

DEADLINE_S = 120.0
BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Figures:
    """What one crowd cost. ``joined_s`` is the time until the last client had its answer."""

    cpu_s: float
    received_bytes: int
    longest_wait_s: float
    joined_s: float


class Client:
    """A WebSocket client that counts what it receives, and reads nothing of it but the first frame."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received_bytes = 0
        self._first_frame: int | None = None
        self._head = b""
        lines = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        self.socket.sendall("\r\n".join((*lines, "", "")).encode() + frame("40"))
        answer = b""
        while b'40{"sid":"' not in answer or not answer.endswith(b"}"):
            answer += self._receive()
        self.sid = answer.rpartition(b'40{"sid":"')[2].partition(b'"')[0].decode()

    def ask(self, event: str, argument: object) -> bytes:
        """Return the frame of an event that is acknowledged."""
        return frame("420" + json.dumps([event, argument]))

    def receive_text(self, text: bytes) -> bytes:
        """Receive until ``text`` has arrived, and return all that came."""
        answer = b""
        while text not in answer:
            answer += self._receive()
        return answer

    def read(self, block: bytearray) -> bool:
        """Read what there is; return True when the first frame of it has arrived as a whole just now."""
        size = self.socket.recv_into(block)
        if not size:
            raise RunFailed("the node closed a connection")
        was_whole = self.is_answered
        if len(self._head) < 10:
            self._head = (self._head + bytes(block[:10]))[:10]
        self.received_bytes += size
        return self.is_answered and not was_whole

    @property
    def is_answered(self) -> bool:
        """Whether the first frame has arrived as a whole."""
        if self._first_frame is None and len(self._head) >= 10:
            length = self._head[1] & 127
            wide = {126: self._head[2:4], 127: self._head[2:10]}.get(length)
            self._first_frame = length + 2 if wide is None else int.from_bytes(wide, "big") + len(wide) + 2
        return self._first_frame is not None and self.received_bytes >= self._first_frame

    def _receive(self) -> bytes:
        data = self.socket.recv(BLOCK)
        if not data:
            raise RunFailed("the node closed a connection")
        return data


def frame(text: str) -> bytes:
    """Return a text frame of a client, masked with zeros.

    RFC 6455, section 5.2 (https://www.rfc-editor.org/rfc/rfc6455#section-5.2).
    """
    payload = text.encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def join_all(clients: Sequence[Client]) -> float:
    """Let all clients join at once; return the time until the last one had its answer."""
    frames = []
    for number, client in enumerate(clients):
        member = {"id": f"member-{number}", "info": {"name": f"Member {number}"}}
        frames.append(client.ask("hornet:subscribe", sign_channel(SECRET, client.sid, CHANNEL, member)))
    by_file = {client.socket.fileno(): client for client in clients}
    epoll, block = select.epoll(), bytearray(BLOCK)
    for number in by_file:
        epoll.register(number, select.EPOLLIN)
    start = last = time.monotonic()
    joined = 0.0
    unanswered = len(clients)
    for client, data in zip(clients, frames, strict=True):
        client.socket.sendall(data)
    while unanswered or time.monotonic() - last < QUIET_S:
        if time.monotonic() - start > DEADLINE_S:
            raise RunFailed(f"{unanswered} clients had no answer within {DEADLINE_S:.0f} s")
        for number, _ in epoll.poll(0.1):
            if by_file[number].read(block):
                unanswered -= 1
                joined = time.monotonic() - start
            last = time.monotonic()
    epoll.close()
    return joined


def watch(port: int, redis_port: int, pipe: Connection) -> None:
    """Send messages to one client until told to end, and report the longest time that one took."""
    client = Client(port)
    redis = Redis(port=redis_port)
    redis.sadd("hornet:token:benchmark", WATCHED)
    client.socket.sendall(client.ask("message", json.dumps({"token": "benchmark", "channel": WATCHED})))
    client.receive_text(b"CONNECTED")
    redis.publish(f"hornet:channel:{WATCHED}", '{"type":"first"}')
    client.receive_text(b"first")
    pipe.send(0.0)
    longest = 0.0
    while not pipe.poll(PAUSE_S):
        start = time.monotonic()
        redis.publish(f"hornet:channel:{WATCHED}", '{"type":"tick"}')
        client.receive_text(b"tick")
        longest = max(longest, time.monotonic() - start)
    pipe.send(longest)


def receive(pipe: Connection) -> float:
    """Return what the watching process sends next.

    Raises:
        RunFailed: it ended, or sends nothing.
    """
    with suppress(EOFError):
        if pipe.poll(DEADLINE_S):
            answer: float = pipe.recv()
            return answer
    raise RunFailed("the client that watches failed")


@contextmanager
def watching(port: int, redis_port: int) -> Iterator[Connection]:
    """Run :func:`watch` in a process of its own for the length of the block."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=watch, args=(port, redis_port, there))
    process.start()
    there.close()
    try:
        receive(here)
        yield here
    finally:
        process.kill()
        process.join()


def measure(python: str, members: int, more_options: Mapping[str, object] | None = None) -> Figures:
    """Start a node, let a crowd join one channel, and return what that cost."""
    cores = machine.split_cores()
    with ExitStack() as stack:
        redis_port = stack.enter_context(valkey(cores.load))
        port = free_port()
        options = {
            "port": port,
            "redis": f"redis://127.0.0.1:{redis_port}",
            "channel-secrets": SECRET,
            "max-members": members,
            "log-level": "warning",
            "ping-interval": 300,
            **(more_options or {}),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        interpreter = Path(python).absolute()
        command = [str(interpreter), "-m", "hornet", *words, "--no-demo"]
        home = interpreter.parent  # not here, where -m would find this Hornet
        server = stack.enter_context(running(command, cores.server, cwd=home))
        wait_for_port(port, server)
        clients = [Client(port) for _ in range(members)]
        for client in clients:
            stack.callback(client.socket.close)
        wait_until_settled(server.pid)
        with watching(port, redis_port) as watcher:
            before = cpu_s(server.pid)
            joined_s = join_all(clients)
            used_s = cpu_s(server.pid) - before
            watcher.send(0.0)
            longest_wait_s = receive(watcher)
        return Figures(used_s, sum(client.received_bytes for client in clients), longest_wait_s, joined_s)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.presence_join", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--members", default="500,1000,2000", help="sizes of the crowd (500,1000,2000)")
    parser.add_argument("--runs", type=int, default=3, help="crowds for each figure (3)")
    parser.add_argument("--python", action="append", help="whose Hornet is measured; may be repeated")
    chosen = parser.parse_args(words)
    machine.check_platform()
    machine.raise_open_files()
    with suppress(OSError):
        os.sched_setaffinity(0, machine.split_cores().load)
    pythons = chosen.python or [sys.executable]
    print("| members | Hornet of | CPU s | MB to clients | longest wait of another, ms | all in after s |")
    print("|---|---|---|---|---|---|")
    for members in map(int, chosen.members.split(",")):
        figures: dict[str, list[Figures]] = {python: [] for python in pythons}
        for _ in range(chosen.runs):
            for python in pythons:
                figures[python].append(measure(python, members))
        for python, runs in figures.items():
            print(
                f"| {members} | {python}",
                f"{statistics.median(run.cpu_s for run in runs):.2f}",
                f"{statistics.median(run.received_bytes for run in runs) / 1e6:.1f}",
                f"{statistics.median(run.longest_wait_s for run in runs) * 1e3:.0f}",
                f"{statistics.median(run.joined_s for run in runs):.2f} |",
                sep=" | ",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
