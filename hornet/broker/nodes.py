"""The nodes of the cluster: each leaves heartbeats in Redis, and living nodes clean up behind dead ones.

A node that was killed can't remove its data from Redis: its users' sessions and its members of presence.
So each node leaves heartbeats. A node that misses three of them is dead, and the first of the others to claim
it removes what it left. If that node dies meanwhile, its claim expires and another node begins again, so a
clean-up must be harmless when it is repeated.

Silence may be the judge's own: after Redis stalled, or after this process was stopped, every other node seems
silent to the first that asks. So a node that was deaf itself judges no other until its own heartbeats have
come through for as long as a node may be silent.

A node whose own entry is missing at its next heartbeat was taken for dead (it was paused), or Redis lost its
data. The node then writes its own data again.

A heartbeat also carries the probe of the subscription connection, which then needs no command of its own.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

from hornet.broker.client import Client, call
from hornet.broker.keys import NODES, claim_key
from hornet.broker.subscription_probe import SubscriptionProbe
from hornet.core.errors import RedisFull, RedisUnavailable

log = logging.getLogger(__name__)

MISSED_HEARTBEATS = 3
"""One heartbeat may be late, and another may be lost with a connection."""

DEAF_HEARTBEATS = 1.5
"""A node without an answer from Redis for so many heartbeats was deaf. A stall that makes another node seem
dead lasts for two of them at least, and every node was without an answer meanwhile."""

CLAIM_S = 30
"""Far longer than a clean-up takes; a node that dies in the middle of one delays it by this much."""

# The time is that of Redis, so that the clocks of the nodes do not matter. The probe comes first, because a
# Redis that is full refuses the rest. A probe that the ACL refuses must not cost the heartbeat.
_BEAT = """
local heard = ARGV[3] and redis.pcall('PUBLISH', ARGV[3], ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
return {known and 1 or 0, silent, type(heard) == 'number' and 1 or 0}
"""

_IS_SILENT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
return last and tonumber(last) <= now - ARGV[2] and 1 or 0
"""

_LIVING = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[1], '+inf')
"""


class Nodes:
    """The nodes on this Redis, and this node among them as ``id``. ``clock`` counts seconds."""

    def __init__(
        self, client: Client, *, heartbeat_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.id = secrets.token_hex(8)
        self._client = client
        self._heartbeat_s = heartbeat_s
        self._timeout_s = MISSED_HEARTBEATS * heartbeat_s
        self._clock = clock
        self._was_seen = False
        self._heard_at = self._heard_since = -math.inf
        """When Redis answered last, and since when it has answered without a pause."""
        self._has_been_deaf = False
        """Whether there was such a pause after the start."""
        self.is_answered = False
        """Whether Redis carried out the last heartbeat, or at least could say that it is full."""
        self._probe: SubscriptionProbe | None = None
        self._on_node_dead: list[Callable[[str], Awaitable[None]]] = []
        self._on_lost: list[Callable[[], Awaitable[None]]] = []

    def on_node_dead(self, remove_dead_node: Callable[[str], Awaitable[None]]) -> None:
        """Await ``remove_dead_node(node id)`` for each dead node, to remove the data that it left in Redis.

        It may run again for the same node, and may raise ``RedisUnavailable`` to be run again later.
        """
        self._on_node_dead.append(remove_dead_node)

    def on_lost(self, restore: Callable[[], Awaitable[None]]) -> None:
        """Await ``restore()`` when this node's own data in Redis are gone; it writes them again."""
        self._on_lost.append(restore)

    def carry(self, probe: SubscriptionProbe) -> None:
        """Publish a probe with each heartbeat from now on."""
        self._probe = probe

    @property
    def may_judge(self) -> bool:
        """Whether Redis has answered for so long that the silence of another node is that node's own."""
        return not self._is_deaf and self._clock() - self._heard_since >= self._timeout_s

    @property
    def is_recovering(self) -> bool:
        """Whether this node is deaf, or was until lately, so that what it misses may have been delayed."""
        return (self._has_been_deaf and not self.may_judge) or (self._was_seen and self._is_deaf)

    @property
    def _is_deaf(self) -> bool:
        return self._clock() - self._heard_at > DEAF_HEARTBEATS * self._heartbeat_s

    async def join(self) -> None:
        """Make this node one of the cluster.

        Raises:
            RedisUnavailable: it joins with the first heartbeat that succeeds.
        """
        await self.beat()

    async def run(self) -> None:
        """Leave heartbeats until cancelled, and clean up beside them, which may take longer."""
        cleaning: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.sleep(self._heartbeat_s)
                try:
                    silent = await self._leave_heartbeat()
                except RedisUnavailable as error:
                    log.debug("No heartbeat: %s", error)  # the subscriber has logged it, and tries again
                    continue
                if silent and (cleaning is None or cleaning.done()):
                    cleaning = asyncio.create_task(self._try_clean_up(silent), name="hornet-clean-up")
        finally:
            if cleaning is not None:
                cleaning.cancel()
                await asyncio.gather(cleaning, return_exceptions=True)

    async def beat(self) -> None:
        """Write one heartbeat, and act on the answer.

        Raises:
            RedisUnavailable: not everything was done; the next heartbeat does it.
        """
        for node in await self._leave_heartbeat():
            await self._clean_up(node)

    async def _leave_heartbeat(self) -> list[str]:
        """Leave a heartbeat; return the nodes that left none for too long."""
        carried = [] if self._probe is None else [self._probe.topic, self._probe.next_text()]
        try:
            known, silent, published = await call(
                self._client.eval, _BEAT, 1, NODES, self.id, int(self._timeout_s * 1000), *carried
            )
        except RedisUnavailable as error:
            self.is_answered = isinstance(error, RedisFull)
            self._tell_probe(carried, is_published=self.is_answered)
            raise
        self.is_answered = True
        self._tell_probe(carried, is_published=bool(published))
        self._hear()
        if self._was_seen and not known:
            log.warning("Redis has no trace of this node (it was taken for dead, or lost data): registering")
            await self._restore_all()
        self._was_seen = True
        return [node.decode() for node in silent] if self.may_judge else []

    def _tell_probe(self, carried: Sequence[str], *, is_published: bool) -> None:
        if self._probe is None or not carried:
            return
        if is_published:
            self._probe.on_carried(carried[-1])
        else:
            self._probe.on_not_carried()

    def _hear(self) -> None:
        """Note that Redis answers now."""
        if self._is_deaf:
            self._heard_since = self._clock()
            if self._was_seen:
                self._has_been_deaf = True
                silent_s = self._clock() - self._heard_at
                log.warning(
                    "Redis did not answer this node for %.1f s: it takes no other for dead in the next %g s",
                    silent_s,
                    self._timeout_s,
                )
        self._heard_at = self._clock()

    async def living(self) -> list[str]:
        """Return the ids of the nodes with a recent heartbeat, this one included, in no order.

        Raises:
            RedisUnavailable: Redis can't be asked.
        """
        nodes = await call(self._client.eval, _LIVING, 1, NODES, int(self._timeout_s * 1000))
        return [node.decode() for node in nodes]

    async def leave(self) -> None:
        """Remove this node from the cluster, after everything that it left in Redis.

        Raises:
            RedisUnavailable: the other nodes will do it.
        """
        for remove_dead_node in self._on_node_dead:
            await remove_dead_node(self.id)
        await call(self._client.zrem, NODES, self.id)

    async def _restore_all(self) -> None:
        try:
            for restore in self._on_lost:
                await restore()
        except BaseException:
            # The next heartbeat must find the entry missing again, and so try again.
            await call(self._client.zrem, NODES, self.id)
            raise

    async def _try_clean_up(self, nodes: list[str]) -> None:
        try:
            for node in nodes:
                await self._clean_up(node)
        except RedisUnavailable as error:
            log.warning("Could not clean up behind a node, it is tried again: %s", error)

    async def _clean_up(self, node: str) -> None:
        if not await call(self._client.set, claim_key(node), self.id, nx=True, ex=CLAIM_S):
            return
        try:
            timeout_ms = int(self._timeout_s * 1000)
            if not await call(self._client.eval, _IS_SILENT, 1, NODES, node, timeout_ms):
                return  # since the heartbeat, another node has cleaned up, or the node gave a sign of life
            log.warning("Node %s gave no sign of life for %g s: cleaning up behind it", node, self._timeout_s)
            for remove_dead_node in self._on_node_dead:
                await remove_dead_node(node)
            await call(self._client.zrem, NODES, node)
        finally:
            await call(self._client.delete, claim_key(node))
