"""Publishing for backends that come over HTTP: many messages at once, and safe to repeat."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hornet.broker.batching import CommandBatcher
from hornet.broker.client import PUBLISH, PUBLISHES_PER_SCRIPT, Client, ClusterClient, call
from hornet.broker.history_types import Publication
from hornet.broker.keys import idempotency_key
from hornet.core import codes
from hornet.core.errors import PeerError

# Publishing and remembering it are one step, so a repeated request, even at the same moment, gets the answer.
# A Redis that takes no writes (it is full, or a replica) says so at the first write, before it publishes.
_PUBLISH_ONCE = """
local kept = redis.call('GET', KEYS[1])
if kept then return {1, kept} end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
local heard = {}
for i = 3, #ARGV, 2 do
  local nodes = redis.pcall('PUBLISH', ARGV[i], ARGV[i + 1])
  if type(nodes) == 'table' then
    redis.call('DEL', KEYS[1])
    return nodes
  end
  heard[#heard + 1] = nodes
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. table.concat(heard, ' '), 'EX', ARGV[2])
return {0, ARGV[1] .. ' ' .. table.concat(heard, ' ')}
"""


__all__ = ["KeyReused", "Once", "Publication", "Published", "Publisher"]


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
    """How many nodes received each publication. ``replayed`` marks the answer to an earlier request."""

    nodes: tuple[int, ...]
    replayed: bool = False


class Publisher:
    """Publishes in Redis.

    In a Cluster, Redis counts only the nodes that are connected to the Redis node that got the command.
    Messages on one topic stay in order there too, except those of :meth:`publish_once`, which go through the
    Redis node that keeps the id.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._batcher = CommandBatcher(client, pause_s=0)

    async def publish(self, publications: Sequence[Publication]) -> Published:
        """Publish in order, in few round trips.

        Raises:
            RedisUnavailable: it is not known how many were published.
        """
        if len(publications) == 1:
            [publication] = publications
            nodes = await self._batcher.execute("PUBLISH", publication.topic, publication.text)
            return Published((nodes,))
        if isinstance(self._client, ClusterClient):
            pairs = [(publication.topic, publication.text) for publication in publications]
            return Published(tuple(await call(self._client.publish_all, pairs)))
        words = _words(publications)
        step = 2 * PUBLISHES_PER_SCRIPT
        parts = [words[at : at + step] for at in range(0, len(words), step)]
        answers = await asyncio.gather(*(self._batcher.execute("EVAL", PUBLISH, 0, *part) for part in parts))
        return Published(tuple(nodes for answer in answers for nodes in answer))

    async def publish_once(self, publications: Sequence[Publication], once: Once) -> Published:
        """Publish everything in one step, unless that was done under ``once.id`` before.

        Raises:
            KeyReused: another request had the id before; nothing was published.
            RedisUnavailable: it is not known whether it was published. Repeating it with the same id is safe.
        """
        content = hashlib.sha256(once.content).hexdigest()
        key = idempotency_key(hashlib.sha256(once.id.encode()).hexdigest())
        window_s = max(1, round(once.window_s))
        words = _words(publications)
        replayed, kept = await self._batcher.execute("EVAL", _PUBLISH_ONCE, 1, key, content, window_s, *words)
        kept_content, *counts = kept.decode().split()
        if kept_content != content:
            raise KeyReused(codes.IDEMPOTENCY_KEY_REUSED, "another request had this idempotency key before")
        return Published(tuple(int(count) for count in counts), bool(replayed))


def _words(publications: Sequence[Publication]) -> list[str]:
    return [word for publication in publications for word in (publication.topic, publication.text)]
