"""Publishing for backends that come over HTTP: many at once, and again without doing it twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from hornet.broker.batches import CommandBatcher
from hornet.broker.client import PUBLISH, PUBLISHES_PER_SCRIPT, Client, ClusterClient, call
from hornet.broker.keys import idempotency_key
from hornet.core import codes
from hornet.core.errors import PeerError

# Publishing and remembering it are one step, so whoever asks again, even at the same moment, gets the answer.
# A Redis that takes no writes (it is full, or a replica) says so at the first one, ahead of publishing.
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


class KeyReused(PeerError):
    """An idempotency key came with another request than the first time."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A topic and the text that is published on it."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Once:
    """``id`` names a request: of all that carry it within ``window_s`` one is done. ``content`` is what it
    asks for, so that another request under the same name is found out."""

    id: str
    content: bytes
    window_s: float


@dataclass(frozen=True, slots=True)
class Published:
    """How many nodes heard each publication. ``replayed``: it is the answer to an earlier request."""

    nodes: tuple[int, ...]
    replayed: bool = False


class Publisher:
    """Publishes in Redis.

    In a Cluster, Redis counts only nodes that are connected where the command went. What is published on one
    topic stays in order there too, but for :meth:`publish_once`, which goes through where its id is kept.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._batches = CommandBatcher(client, pause_s=0)

    async def publish(self, publications: Sequence[Publication]) -> Published:
        """Publish in order, in few round trips.

        Raises:
            RedisUnavailable: not known how many were published.
        """
        if len(publications) == 1:
            [one] = publications
            return Published((await self._batches.execute("PUBLISH", one.topic, one.text),))
        if isinstance(self._client, ClusterClient):
            pairs = [(one.topic, one.text) for one in publications]
            return Published(tuple(await call(self._client.publish_all, pairs)))
        words = _words(publications)
        step = 2 * PUBLISHES_PER_SCRIPT
        parts = [words[at : at + step] for at in range(0, len(words), step)]
        answers = await asyncio.gather(*(self._batches.execute("EVAL", PUBLISH, 0, *part) for part in parts))
        return Published(tuple(nodes for answer in answers for nodes in answer))

    async def publish_once(self, publications: Sequence[Publication], once: Once) -> Published:
        """Publish all of it in one step, unless that was done under ``once.id`` before.

        Raises:
            KeyReused: that was something else; nothing was published.
            RedisUnavailable: not known whether it was published. Asking again with the same id is safe.
        """
        content = hashlib.sha256(once.content).hexdigest()
        key = idempotency_key(hashlib.sha256(once.id.encode()).hexdigest())
        window_s = max(1, round(once.window_s))
        words = _words(publications)
        replayed, kept = await self._batches.execute("EVAL", _PUBLISH_ONCE, 1, key, content, window_s, *words)
        known, *heard = kept.decode().split()
        if known != content:
            raise KeyReused(codes.IDEMPOTENCY_KEY_REUSED, "another request had this idempotency key before")
        return Published(tuple(int(number) for number in heard), bool(replayed))


def _words(publications: Sequence[Publication]) -> list[str]:
    return [word for one in publications for word in (one.topic, one.text)]
