"""One run: start all parts, then judge the result."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.soak.abusive_client import AbusiveClient
from benchmarks.soak.backend import Backend
from benchmarks.soak.environment import Redis, Server, running_environment
from benchmarks.soak.expected_deliveries import ExpectedDeliveries
from benchmarks.soak.well_behaved_client import WellBehavedClient
from benchmarks.verdict import Verdict

ABUSIVE_CLIENTS = 8
STEADY_SHARE = 0.3
"""The share of the well-behaved clients that stay as long as the run lasts."""

AWAY_S = (0.2, 3.0)
"""How long Redis is away after it was killed: a random time in this range."""

QUIET_S = 0.5
"""The backend pauses this long before Redis is killed: messages that Redis still holds are lost with it."""

SAMPLE_S = 2.0
GROWTH = 1.10
GROWTH_KIB = 8_192
"""Memory may grow by so much from the middle third of a run to the last: buffers grow and shrink."""


@dataclass(frozen=True)
class Plan:
    """How long, with how many well-behaved clients, and how often Redis is killed."""

    time_s: float
    clients: int
    restart_every_s: float


async def soak(plan: Plan) -> Verdict:
    """Run a server under all kinds of load at once; fail if a well-behaved client missed a message."""
    with (
        tempfile.TemporaryDirectory(prefix="hornet-soak-") as folder,
        running_environment(Path(folder)) as (redis, server),
    ):
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http:
            return await _Run(plan, redis, server, http).run()


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel the tasks, repeatedly, until they have ended: redis-py may lose a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)


class _Run:
    def __init__(self, plan: Plan, redis: Redis, server: Server, http: aiohttp.ClientSession) -> None:
        self._plan, self._redis, self._server, self._http = plan, redis, server, http
        self._expected = ExpectedDeliveries()
        self._backend = Backend(redis.url, self._expected)
        self._well_behaved = [
            WellBehavedClient(f"client {number}", http, server.url, self._backend, self._expected)
            for number in range(plan.clients)
        ]
        self._abusive = AbusiveClient(http, server.url, self._backend)
        self._memory: list[int] = []
        self._restarts = 0

    async def run(self) -> Verdict:
        began = time.monotonic()
        steady = round(self._plan.clients * STEADY_SHARE)
        staying = [
            asyncio.create_task(client.run(self._plan.time_s * 2 if number < steady else 20))
            for number, client in enumerate(self._well_behaved)
        ]
        abusive = [asyncio.create_task(self._abusive.run()) for _ in range(ABUSIVE_CLIENTS)]
        beside = [
            asyncio.create_task(self._backend.run()),
            asyncio.create_task(self._restart_redis()),
            asyncio.create_task(self._sample()),
        ]
        await asyncio.wait(
            {*abusive, *beside}, timeout=self._plan.time_s, return_when=asyncio.FIRST_EXCEPTION
        )
        ended_early = [task for task in (*abusive, *beside) if task.done()]
        for client in self._well_behaved:
            client.leave()
        await asyncio.wait(staying, timeout=30)
        await _end({*abusive, *beside, *staying})
        await self._backend.close()
        for task in ended_early:
            task.result()
        return await self._judge(time.monotonic() - began)

    async def _restart_redis(self) -> None:
        while True:
            await asyncio.sleep(self._plan.restart_every_s)
            await self._backend.pause()
            await asyncio.sleep(QUIET_S)
            await asyncio.to_thread(self._redis.kill)
            await asyncio.sleep(random.uniform(*AWAY_S))
            await asyncio.to_thread(self._redis.start)
            self._backend.resume()
            self._restarts += 1

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            self._memory.append(self._server.memory_kib())

    async def _judge(self, took_s: float) -> Verdict:
        verdict = Verdict()
        metrics = await self._metrics()
        code = await asyncio.to_thread(self._server.stop)
        levels = Counter(line["level"] for line in self._server.lines())
        verdict.facts += [
            f"{took_s:.0f} s, Redis killed {self._restarts} times",
            f"{sum(client.stays for client in self._well_behaved)} stays of well-behaved clients, "
            f"{self._backend.published} messages published, "
            f"{self._backend.without_receiver} that no node received",
            f"{self._expected.owed} deliveries expected, {self._expected.received} received",
            f"attacks: {dict(sorted(self._abusive.attacks.items()))}",
            f"log lines: {dict(sorted(levels.items()))}",
        ]
        verdict.facts += [f"{name} {value}" for name, value in sorted(metrics.items()) if _is_printed(name)]
        self._judge_memory(verdict)
        verdict.faults += self._expected.complaints[:20]
        if len(self._expected.complaints) > 20:
            verdict.faults.append(f"and {len(self._expected.complaints) - 20} more")
        if not self._expected.owed:
            verdict.faults.append("no client had to receive a message")
        if code != 0:
            verdict.faults.append(f"the server ended with {code}")
        for line in self._server.lines():
            if line["level"] == "error" or "exception" in line or "Traceback" in line["message"]:
                verdict.faults.append(f"logged: {line['message'][:200]} {line.get('exception', '')[-300:]}")
        for name in ("hornet_unhandled_errors_total", "hornet_task_restarts_total"):
            if any(value for key, value in metrics.items() if key.startswith(name)):
                verdict.faults.append(f"{name} is above 0")
        return verdict

    def _judge_memory(self, verdict: Verdict) -> None:
        third = len(self._memory) // 3
        if third < 3:
            return
        early = statistics.median(self._memory[third : 2 * third])
        late = statistics.median(self._memory[-third:])
        verdict.facts.append(
            f"memory: {early / 1024:.1f} MiB in the middle third, {late / 1024:.1f} in the last"
        )
        if late > early * GROWTH + GROWTH_KIB:
            verdict.faults.append("memory grows")

    async def _metrics(self) -> dict[str, float]:
        async with self._http.get(f"{self._server.url}/metrics") as response:
            text = await response.text()
        samples = re.findall(r"^(hornet_\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}


def _is_printed(name: str) -> bool:
    parts = ("connections_refused", "refusals_total", "malformed", "slow_readers", "redis_reconnections")
    return any(part in name for part in parts) and "_created" not in name
