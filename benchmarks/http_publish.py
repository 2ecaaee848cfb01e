"""``python -m benchmarks.http_publish``: what publishing over the HTTP API costs the server.

One Hornet runs on a core of its own, without clients: the cost of a delivery is another measurement.
Each case publishes for ``--seconds`` over connections that are kept open. A connection sends its next request
when the previous one is answered. The table shows messages per second, and the server's CPU time per message.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.processes import free_port, running, wait_for_port
from benchmarks.usage import cpu_s, wait_until_settled
from benchmarks.valkey import valkey

CHANNEL = "bench"
TEXT = "x" * 100


@dataclass(frozen=True, slots=True)
class Case:
    """How messages are published. With ``batch`` 0, each message is a request of its own."""

    name: str
    connections: int
    batch: int = 0
    once: bool = False


CASES = (
    Case("one connection", 1),
    Case("16 connections", 16),
    Case("64 connections", 64),
    Case("16 connections, with an Idempotency-Key", 16, once=True),
    Case("one connection, batches of 10", 1, 10),
    Case("one connection, batches of 100", 1, 100),
    Case("4 connections, batches of 100", 4, 100),
)


async def publish(port: int, case: Case, until: float) -> int:
    """Publish over one connection until ``until``. Return the number of messages."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    message = {"channels": CHANNEL, "type": "news", "message": {"text": TEXT}}
    path, body = "/api/publish", json.dumps(message).encode()
    if case.batch:
        path, body = "/api/publish/batch", json.dumps({"messages": [message] * case.batch}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    published = 0
    while time.monotonic() < until:
        key = f"Idempotency-Key: {os.urandom(8).hex()}\r\n" if case.once else ""
        writer.write(f"{head}{key}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"http_publish: {answer.decode(errors='replace')}")
        length = next(
            int(line.split(b":")[1])
            for line in answer.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        published += case.batch or 1
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return published


async def measure(port: int, pid: int, case: Case, seconds: float) -> tuple[float, float]:
    """Publish for ``seconds``. Return messages per second, and the server's CPU seconds per message."""
    await publish(port, case, time.monotonic() + 0.2)  # warms up
    await asyncio.to_thread(wait_until_settled, pid)
    before, start = cpu_s(pid), time.monotonic()
    counts = await asyncio.gather(*(publish(port, case, start + seconds) for _ in range(case.connections)))
    took = time.monotonic() - start
    await asyncio.to_thread(wait_until_settled, pid)
    return sum(counts) / took, (cpu_s(pid) - before) / sum(counts)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_publish", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each case (default: %(default)g)")
    seconds = parser.parse_args(argv).seconds
    machine.check_platform()
    cores = machine.split_cores()
    os.sched_setaffinity(0, cores.load)
    with valkey(cores.load) as redis_port:
        port = free_port()
        options = ["--port", str(port), "--redis", f"redis://127.0.0.1:{redis_port}", "--api-rate", "0"]
        command = [sys.executable, "-m", "hornet", *options, "--log-level", "warning"]
        with running(command, cores.server) as server:
            wait_for_port(port, server)
            print("| case | messages/s | CPU µs each |\n|---|---|---|")
            for case in CASES:
                rate, cost_s = asyncio.run(measure(port, server.pid, case, seconds))
                print(f"| {case.name} | {rate:,.0f} | {cost_s * 1e6:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
