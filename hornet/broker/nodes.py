"""Who belongs to the cluster: every node says that it lives, and the living clean up behind the dead.

A node that was killed can't take back what it wrote into Redis: its users' sessions, its members of
presence. So each node leaves heartbeats; one that misses three of them is dead, and one of the others,
whoever claims it first, undoes what it left. Should that one die meanwhile, its claim expires and another
begins again: cleaning twice must do no harm.

A node whose own entry is missing at its next heartbeat was taken for dead (it was paused), or Redis lost
its data. It then writes again what is its own.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

from hornet.broker.client import Client, call
from hornet.broker.keys import NODES, claim_key
from hornet.core.errors import RedisFull, RedisUnavailable

log = logging.getLogger(__name__)

MISSED_HEARTBEATS = 3
"""One may be late, and one lost with a connection."""

CLAIM_S = 30
"""Far longer than a clean-up takes; who dies in the middle of one delays it by this much."""

# The time is that of Redis, so that the clocks of the nodes do not matter.
_BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
return {known and 1 or 0, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])}
"""

_LIVING = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[1], '+inf')
"""


class Nodes:
    """The nodes on this Redis, and this node among them as ``id``."""

    def __init__(self, client: Client, *, heartbeat_s: float) -> None:
        self.id = secrets.token_hex(8)
        self._client = client
        self._heartbeat_s = heartbeat_s
        self._timeout_s = MISSED_HEARTBEATS * heartbeat_s
        self._was_seen = False
        self.is_answered = False
        """Whether Redis carried out the last heartbeat, or at least could say that it is full."""
        self._bury: list[Callable[[str], Awaitable[None]]] = []
        self._restore: list[Callable[[], Awaitable[None]]] = []

    def on_dead(self, bury: Callable[[str], Awaitable[None]]) -> None:
        """Have ``bury(node id)`` awaited for each node that died; it undoes what that node left in Redis.

        It may run again for the same node, and may raise ``RedisUnavailable`` to be run again later.
        """
        self._bury.append(bury)

    def on_lost(self, restore: Callable[[], Awaitable[None]]) -> None:
        """Have ``restore()`` awaited when this node's own traces in Redis are gone; it writes them again."""
        self._restore.append(restore)

    async def join(self) -> None:
        """Be one of the nodes from now on.

        Raises:
            RedisUnavailable: it will be, with the first heartbeat that succeeds.
        """
        await self.beat()

    async def run(self) -> None:
        """Leave heartbeats until cancelled. Cleaning up goes on beside them: it may take longer than one."""
        cleaning: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.sleep(self._heartbeat_s)
                try:
                    silent = await self._live()
                except RedisUnavailable as error:
                    log.debug("No heartbeat: %s", error)  # the listener has said so, and tries again
                    continue
                if silent and (cleaning is None or cleaning.done()):
                    cleaning = asyncio.create_task(self._try_clean_up(silent), name="hornet-clean-up")
        finally:
            if cleaning is not None:
                cleaning.cancel()
                await asyncio.gather(cleaning, return_exceptions=True)

    async def beat(self) -> None:
        """One heartbeat, and what it shows to be necessary.

        Raises:
            RedisUnavailable: not all of it was done; the next one does it.
        """
        for node in await self._live():
            await self._clean_up(node)

    async def _live(self) -> list[str]:
        """Say that this node lives; the nodes that did not for too long."""
        try:
            known, silent = await call(
                self._client.eval, _BEAT, 1, NODES, self.id, int(self._timeout_s * 1000)
            )
        except RedisUnavailable as error:
            self.is_answered = isinstance(error, RedisFull)
            raise
        self.is_answered = True
        if self._was_seen and not known:
            log.warning("Redis has no trace of this node (it was taken for dead, or lost data): registering")
            await self._restore_all()
        self._was_seen = True
        return [node.decode() for node in silent]

    async def living(self) -> list[str]:
        """The ids of the nodes whose heartbeat is recent, this one included, in no order.

        Raises:
            RedisUnavailable: it can't be known.
        """
        found = await call(self._client.eval, _LIVING, 1, NODES, int(self._timeout_s * 1000))
        return [node.decode() for node in found]

    async def leave(self) -> None:
        """Be no node any more; what this node left is cleaned up first, as by the others.

        Raises:
            RedisUnavailable: the others will do it.
        """
        for bury in self._bury:
            await bury(self.id)
        await call(self._client.zrem, NODES, self.id)

    async def _restore_all(self) -> None:
        try:
            for restore in self._restore:
                await restore()
        except BaseException:
            # Not seen: the next heartbeat must find the entry missing, and try again.
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
        log.warning("Node %s gave no sign of life for %g s: cleaning up behind it", node, self._timeout_s)
        try:
            for bury in self._bury:
                await bury(node)
            await call(self._client.zrem, NODES, node)
        finally:
            await call(self._client.delete, claim_key(node))
