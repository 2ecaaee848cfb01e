"""The faults, one after the other, each with a pause in which everything recovers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.continuity.balancer import Balancer
from benchmarks.continuity.clients import Clients
from benchmarks.continuity.ledger import Ledger
from benchmarks.continuity.redis_proxy import RedisProxy
from benchmarks.continuity.servers import Node, Sentinel, Valkey, in_thread
from benchmarks.errors import RunFailed

CUT_S = (0.1, 8.0)
"""How long the network of a client is away: a random time in this range."""

CUT_AT_ONCE = (3, 10)
DOWN_S = (0.3, 3.0)
DEAF_S = 10.0
"""Longer than a node takes to notice that its subscription is deaf."""

PAUSE_S = (1.0, 3.0)
BACK_S = 40.0


class Faults:
    """Causes the faults that it is given by name. ``ALL`` names those without a Sentinel."""

    ALL = ("cut", "silence", "kill", "rolling", "subscription", "deaf", "mute", "empty")
    FAILOVER = ("failover", "master-killed")

    def __init__(
        self,
        ledger: Ledger,
        chosen: random.Random,
        clients: Clients,
        balancer: Balancer,
        nodes: Sequence[Node],
        proxies: Sequence[RedisProxy],
        redis: Sequence[Valkey],
        sentinel: Sentinel | None,
    ) -> None:
        self.done = 0
        self._ledger, self._chosen = ledger, chosen
        self._clients, self._balancer = clients, balancer
        self._nodes, self._proxies = nodes, proxies
        self._redis, self._sentinel = redis, sentinel
        self._ways: dict[str, Callable[[], Awaitable[None]]] = {
            "cut": self._cut_networks,
            "silence": self._silence_networks,
            "kill": self._kill_node,
            "rolling": self._restart_all,
            "subscription": self._cut_subscription,
            "deaf": self._deafen,
            "mute": self._mute,
            "empty": self._empty_redis,
            "failover": self._fail_over,
            "master-killed": self._kill_master,
        }

    async def run(self, names: Sequence[str], until: Callable[[], bool]) -> None:
        """Cause the named faults in turn until ``until`` says that it is enough.

        Raises:
            RunFailed: clients do not come back after a fault, or a node does not stop.
        """
        await asyncio.sleep(max(PAUSE_S))
        while True:
            for name in self._chosen.sample(names, len(names)):
                self._ledger.fault = name
                self._ledger.count("times")
                await self._ways[name]()
                try:
                    await self._clients.wait_until_inside(BACK_S)
                except RunFailed as error:
                    raise RunFailed(f"{error} after {name}") from None
                await asyncio.sleep(self._chosen.uniform(*PAUSE_S))
                self.done += 1
                if until():
                    return

    async def _cut_networks(self) -> None:
        await self._trouble_networks(self._balancer.cut)

    async def _silence_networks(self) -> None:
        await self._trouble_networks(self._balancer.silence)

    async def _trouble_networks(self, trouble: Callable[[int], None]) -> None:
        """Trouble the networks of some clients, each for a random time."""
        count = self._chosen.randint(*CUT_AT_ONCE)
        some = self._chosen.sample(
            range(len(self._clients.channels)), min(count, len(self._clients.channels))
        )

        async def for_a_while(client: int, time_s: float) -> None:
            trouble(client)
            await asyncio.sleep(time_s)
            self._balancer.restore(client)

        await asyncio.gather(*(for_a_while(client, self._chosen.uniform(*CUT_S)) for client in some))

    async def _kill_node(self) -> None:
        node = self._chosen.choice(self._nodes)
        await in_thread(node, kill=True)
        await asyncio.sleep(self._chosen.uniform(*DOWN_S))
        await in_thread(node)

    async def _restart_all(self) -> None:
        """Restart one node after the other, as a deployment does."""
        for node in self._nodes:
            await asyncio.to_thread(node.terminate)
            await in_thread(node)
            await self._clients.wait_until_inside(BACK_S)

    async def _cut_subscription(self) -> None:
        for connection in list(self._chosen.choice(self._proxies).subscriptions):
            connection.wire.cut()

    async def _deafen(self) -> None:
        for connection in self._chosen.choice(self._proxies).subscriptions:
            connection.deaf = True
        await asyncio.sleep(DEAF_S)

    async def _mute(self) -> None:
        for connection in self._chosen.choice(self._proxies).subscriptions:
            connection.mute = True
        await asyncio.sleep(DEAF_S)

    async def _empty_redis(self) -> None:
        """Kill Redis, and start it again without its data."""
        await in_thread(self._redis[0], kill=True)
        await asyncio.sleep(self._chosen.uniform(*DOWN_S))
        await in_thread(self._redis[0])

    async def _fail_over(self) -> None:
        """Let the Sentinel make the replica the master, and the old master a replica with the same data."""
        old = await asyncio.to_thread(self._master)
        await asyncio.to_thread(self._need_sentinel().fail_over)
        await self._wait_for_another(old)
        await asyncio.to_thread(old.wait_until_linked)

    async def _kill_master(self) -> None:
        """Kill the master; when the replica has taken over, the old one comes back as its replica."""
        old = await asyncio.to_thread(self._master)
        [other] = [server for server in self._redis if server is not old]
        await in_thread(old, kill=True)
        await self._wait_for_another(old)
        old.follow(other)
        await in_thread(old)
        await asyncio.to_thread(old.wait_until_linked)

    def _need_sentinel(self) -> Sentinel:
        assert self._sentinel is not None
        return self._sentinel

    def _master(self) -> Valkey:
        port = self._need_sentinel().master_port()
        return next(server for server in self._redis if server.port == port)

    async def _wait_for_another(self, old: Valkey) -> None:
        try:
            async with asyncio.timeout(BACK_S):
                port = await asyncio.to_thread(self._need_sentinel().wait_for_another, old.port)
        except TimeoutError:
            raise RunFailed("the Sentinel made no other Redis the master") from None
        new = next(server for server in self._redis if server.port == port)
        new.follow(None)
