"""One run: start all parts, cause the faults, and judge what the clients received."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.continuity.balancer import Balancer
from benchmarks.continuity.clients import Clients, Javascript, TokenServer
from benchmarks.continuity.faults import Faults
from benchmarks.continuity.ledger import Ledger
from benchmarks.continuity.publishing import Publishing
from benchmarks.continuity.redis_proxy import RedisProxy
from benchmarks.continuity.servers import SERVICE, Node, Sentinel, Valkey, in_thread
from benchmarks.errors import RunFailed
from benchmarks.verdict import Verdict

CHANNELS = 20
CHANNELS_OF_EACH = 4
FIRST_S = 60.0
PROGRESS_S = 5.0
RECOVERIES = re.compile(r"^hornet_recoveries_total\{([^}]*)\} (\S+)$", re.MULTILINE)
LAST_S = 30.0
STEP_S = 0.1
RECORDED_S = 15.0
COLUMNS = (
    "times",
    "drops",
    "recovered",
    "fresh",
    "gaps",
    "received",
    "told",
    "lost",
    "doubled",
    "disordered",
)
FAULTS = ("lost", "doubled", "disordered")

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    time_s: float
    seed: int
    nodes: int
    clients: int
    rate: float
    forms: Sequence[str]
    faults: Sequence[str]
    failover: bool = False
    keep: Path | None = None
    """Where the logs of the processes go; by default nowhere."""


async def prove(plan: Plan, javascript: Javascript, tell: Tell) -> Verdict:
    """Run clients through faults; fail if one of them silently missed a message, or got one twice.

    Raises:
        BenchmarkError: a part of the run could not work at all.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hornet-continuity-")))
        if plan.keep is not None:
            plan.keep.mkdir(parents=True, exist_ok=True)
            folder = plan.keep
        return await _Run(plan, javascript, folder, tell, stack).run()


class _Run:
    def __init__(
        self, plan: Plan, javascript: Javascript, folder: Path, tell: Tell, stack: AsyncExitStack
    ) -> None:
        self._plan, self._javascript, self._folder = plan, javascript, folder
        self._tell, self._stack = tell, stack
        self._chosen = random.Random(plan.seed)
        self._ledger = Ledger([f"channel-{number}" for number in range(CHANNELS)])
        self._loop = asyncio.get_running_loop()
        self._clients = Clients(self._ledger, plan.clients, self._chosen, CHANNELS_OF_EACH, self._loop.time)
        self._redis: list[Valkey] = []
        self._sentinel: Sentinel | None = None
        self._nodes: list[Node] = []
        self._proxies: list[RedisProxy] = []
        self._verdict = Verdict()

    async def run(self) -> Verdict:
        await self._start_redis()
        await self._start_nodes()
        balancer = Balancer([node.port for node in self._nodes])
        await balancer.start()
        self._stack.push_async_callback(balancer.stop)
        tokens = TokenServer(self._redis_port)
        await tokens.start()
        self._stack.push_async_callback(tokens.stop)
        http = await self._stack.enter_async_context(aiohttp.ClientSession())
        urls = [node.url for node in self._nodes]
        self._publishing = Publishing(
            self._ledger, self._plan.forms, self._plan.rate, self._redis_port, urls, http
        )
        self._stack.push_async_callback(self._publishing.close)
        if "recorded" in self._plan.forms and not await self._publishing.wait_until_recorded(RECORDED_S):
            raise RunFailed("Redis has no function hornet_publish: this Hornet keeps no history")
        self._stack.push_async_callback(self._clients.stop)
        await self._clients.start(self._javascript, f"http://127.0.0.1:{balancer.port}", tokens.url)
        await self._clients.wait_until_inside(FIRST_S)
        if not self._clients.recoverable:
            self._verdict.faults.append("the nodes give no pid: this Hornet recovers no sessions")
        self._faults = Faults(
            self._ledger, self._chosen, self._clients, balancer,
            self._nodes, self._proxies, self._redis, self._sentinel,
        )  # fmt: skip
        await self._cause_faults()
        self._judge()
        with suppress(aiohttp.ClientError):  # a node may be away where the run has failed
            await self._count_recoveries(http)
        return self._verdict

    async def _start_redis(self) -> None:
        for number in range(2 if self._plan.failover else 1):
            folder = self._folder / f"redis-{number}"
            folder.mkdir(exist_ok=True)
            server = Valkey(folder, self._redis[0] if self._redis else None)
            self._stack.callback(server.kill)
            await in_thread(server)
            self._redis.append(server)
        if self._plan.failover:
            await asyncio.to_thread(self._redis[1].wait_until_linked)
            folder = self._folder / "sentinel"
            folder.mkdir(exist_ok=True)
            self._sentinel = Sentinel(folder, self._redis[0])
            self._stack.callback(self._sentinel.kill)
            await in_thread(self._sentinel)
            await asyncio.to_thread(self._sentinel.wait_for_replica)

    async def _start_nodes(self) -> None:
        for number in range(self._plan.nodes):
            if self._sentinel is not None:
                url = f"redis+sentinel://127.0.0.1:{self._sentinel.port}/0/{SERVICE}"
            else:
                proxy = RedisProxy(self._redis[0].port)
                await proxy.start()
                self._stack.push_async_callback(proxy.stop)
                self._proxies.append(proxy)
                url = f"redis://127.0.0.1:{proxy.port}/0"
            folder = self._folder / f"node-{number}"
            folder.mkdir(exist_ok=True)
            node = Node(folder, url)
            self._stack.callback(node.kill)
            await in_thread(node)
            self._nodes.append(node)

    def _redis_port(self) -> int:
        """Return the port of the Redis that backends publish to."""
        return self._sentinel.known_master if self._sentinel is not None else self._redis[0].port

    async def _cause_faults(self) -> None:
        until = self._loop.time() + self._plan.time_s
        publishing = asyncio.create_task(self._publishing.run())
        watching = asyncio.create_task(self._watch())
        faults = asyncio.create_task(self._faults.run(self._plan.faults, lambda: self._loop.time() > until))
        try:
            await asyncio.wait({publishing, watching, faults}, return_when=asyncio.FIRST_COMPLETED)
            if faults.done():
                self._note_failure(faults)
                self._ledger.fault = "end"
                self._publishing.stop()
                await asyncio.wait(
                    {publishing, watching}, timeout=LAST_S, return_when=asyncio.FIRST_COMPLETED
                )
                await self._wait_for_the_last_numbers()
            for task in (publishing, watching):
                if task.done():
                    task.result()
        finally:
            for task in (publishing, watching, faults):
                task.cancel()
            await asyncio.gather(publishing, watching, faults, return_exceptions=True)

    def _note_failure(self, faults: asyncio.Task[None]) -> None:
        try:
            faults.result()
        except RunFailed as error:
            self._verdict.faults.append(str(error))

    async def _wait_for_the_last_numbers(self) -> None:
        until = self._loop.time() + LAST_S
        while self._ledger.waiting() and self._loop.time() < until:  # noqa: ASYNC110 - a line of output each
            await asyncio.sleep(STEP_S)
        self._ledger.finish()

    async def _watch(self) -> None:
        """Print the progress, and end when the clients can't go on."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            self._clients.check()
            self._ledger.settle(self._loop.time())
            counts = ", ".join(f"{name} {self._ledger.total(name):,}" for name in COLUMNS[2:])
            published = f"published {self._publishing.published:,}"
            self._tell(f"{self._faults.done} faults, now {self._ledger.fault}: {published}, {counts}")

    def _judge(self) -> None:
        verdict, ledger = self._verdict, self._ledger
        verdict.facts.append(
            f"seed {self._plan.seed}: {self._publishing.published:,} published, of which "
            f"{self._publishing.uncertain:,} with an unknown end; "
            f"other answers: {self._clients.errors or 'none'}"
        )
        verdict.facts += ["", f"{'':14}" + "".join(f"{name:>11}" for name in COLUMNS)]
        for fault, counts in ledger.counts.items():
            verdict.facts.append(f"{fault:14}" + "".join(f"{counts[name]:>11,}" for name in COLUMNS))
        verdict.facts.append("")
        verdict.faults += ledger.complaints[:20]
        if len(ledger.complaints) > 20:
            verdict.faults.append(f"and {len(ledger.complaints) - 20} more")
        for name in FAULTS:
            if ledger.total(name):
                verdict.faults.append(f"{name}: {ledger.total(name):,}")
        if not ledger.total("received"):
            verdict.faults.append("no client received a message")
        if ledger.total("fresh") and not ledger.total("recovered"):
            verdict.faults.append("no session was recovered")
        for node in self._nodes:
            verdict.faults += node.complaints()

    async def _count_recoveries(self, http: aiohttp.ClientSession) -> None:
        """Add what the nodes say of recoveries since they were started last."""
        counts: Counter[str] = Counter()
        for node in self._nodes:
            async with http.get(f"{node.url}/metrics") as response:
                for labels, value in RECOVERIES.findall(await response.text()):
                    counts[labels] += int(float(value))
        listed = "; ".join(f"{labels} {count}" for labels, count in sorted(counts.items()) if count)
        self._verdict.facts.append(f"the nodes' own counts, each since its last start: {listed or 'none'}")
