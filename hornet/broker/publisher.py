"""Publishing for backends that come over HTTP: many messages at once, and safe to repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hornet.broker.batching import CommandBatcher
from hornet.broker.client import Client, ClusterClient
from hornet.broker.history import HistoryStore, to_recorded, unstamped
from hornet.broker.history_scripts import RECORD
from hornet.broker.history_types import Publication, Recorded
from hornet.broker.keys import HISTORY, cluster_idempotency_key, idempotency_key
from hornet.core import codes
from hornet.core.errors import PeerError, RefusedByRedis
from hornet.core.history import StreamPosition

__all__ = ["KeyReused", "Once", "Publication", "Published", "Publisher"]

# Publishing and remembering it are one step, so a repeated request, even at the same moment, gets the answer.
# A Redis that takes no writes (it is full, or a replica) says so at the first write, before it publishes.
_PUBLISH_ONCE = """
local kept = redis.call('GET', KEYS[1])
if kept then return {1, kept} end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
local heard = {}
for i = 3, #ARGV, 2 do
  local ok, position, nodes = pcall(record, KEYS[2], ARGV[i], ARGV[i + 1])
  if not (ok and nodes) then
    redis.call('DEL', KEYS[1])
    return type(position) == 'table' and position or {err = tostring(position)}
  end
  heard[#heard + 1] = nodes .. (position and '@' .. position or '')
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. table.concat(heard, ' '), 'EX', ARGV[2])
return {0, ARGV[1] .. ' ' .. table.concat(heard, ' ')}
"""

_PLAIN = """
local function record(_, topic, json) return false, redis.call('PUBLISH', topic, json) end
"""


class KeyReused(PeerError):
    """An idempotency key that was used for another request before."""


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key: of all requests with the same ``id`` within ``window_s``, one is carried out.

    ``content`` is what the request asks for, so that another request under the same id is noticed.
    """

    id: str
    content: bytes
    window_s: float


@dataclass(frozen=True, slots=True)
class Published:
    """What became of each publication. ``replayed`` marks the answer to an earlier request."""

    recorded: tuple[Recorded, ...]
    replayed: bool = False

    @property
    def nodes(self) -> tuple[int, ...]:
        """How many nodes received each publication."""
        return tuple(recorded.nodes for recorded in self.recorded)

    @property
    def positions(self) -> tuple[StreamPosition | None, ...]:
        """The position of each publication, or None where it was not recorded."""
        return tuple(recorded.position for recorded in self.recorded)


class Publisher:
    """Publishes in Redis, and records what is published.

    In a Cluster, Redis counts only the nodes that are connected to the Redis node that got the command.
    Messages on one topic stay in order there too: those that are recorded go through the Redis node that has
    the history.
    """

    def __init__(self, client: Client, history: HistoryStore) -> None:
        self._history = history
        self._batcher = CommandBatcher(client, pause_s=0)
        self._key = cluster_idempotency_key if isinstance(client, ClusterClient) else idempotency_key

    async def publish(self, publications: Sequence[Publication]) -> Published:
        """Publish in order, in few round trips.

        Raises:
            RedisUnavailable: it is not known how many were published.
        """
        return Published(tuple(await self._history.publish(publications)))

    async def publish_once(self, publications: Sequence[Publication], once: Once) -> Published:
        """Publish everything in one step, unless that was done under ``once.id`` before.

        Raises:
            KeyReused: another request had the id before; nothing was published.
            RedisUnavailable: it is not known whether it was published. Repeating it with the same id is safe.
        """
        content = hashlib.sha256(once.content).hexdigest()
        keys = self._key(hashlib.sha256(once.id.encode()).hexdigest()), HISTORY
        arguments = [content, max(1, round(once.window_s))]
        if self._history.settings.records:
            words = [word for publication in publications for word in (publication.topic, publication.text)]
            try:
                replayed, kept = await self._evaluate(RECORD + _PUBLISH_ONCE, keys, [*arguments, *words])
            except RefusedByRedis:  # it may permit all but the history
                replayed, kept = await self._publish_plain_once(publications, keys[0], arguments)
        else:
            replayed, kept = await self._publish_plain_once(publications, keys[0], arguments)
        kept_content, *counts = kept.decode().split()
        if kept_content != content:
            raise KeyReused(codes.IDEMPOTENCY_KEY_REUSED, "another request had this idempotency key before")
        return Published(tuple(_parse_count(count) for count in counts), bool(replayed))

    async def _publish_plain_once(
        self, publications: Sequence[Publication], key: str, arguments: Sequence[object]
    ) -> tuple[int, bytes]:
        pairs = [(publication.topic, unstamped(publication.text)) for publication in publications]
        words = [word for pair in pairs for word in pair]
        return await self._evaluate(_PLAIN + _PUBLISH_ONCE, (key,), [*arguments, *words])

    async def _evaluate(
        self, script: str, keys: Sequence[str], arguments: Sequence[object]
    ) -> tuple[int, bytes]:
        replayed, kept = await self._batcher.execute("EVAL", script, len(keys), *keys, *arguments)
        return replayed, kept


def _parse_count(word: str) -> Recorded:
    nodes, _, position = word.partition("@")
    return to_recorded(position.encode() or None, int(nodes))
