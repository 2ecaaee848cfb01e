"""Messages to one node, on a topic of its own to which it subscribes for its life.

Other nodes publish there what concerns this node alone, and the node itself publishes marks. A mark tells up
to which id Redis had recorded when it published the mark. Redis sends a subscription connection everything in
one order. So a node that has received a mark has received every message up to that id, on all topics to which
it was subscribed then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hornet.broker.client import Client, call
from hornet.broker.keys import HISTORY, node_topic
from hornet.core.history import NO_EPOCH
from hornet.core.jsontext import dump_ascii_json, parse_json

log = logging.getLogger(__name__)

MARK = "mark"

# ARGV: the topic, the number and the type of the mark, then perhaps the topic of another node and a message
# for it. Answers how many subscribers that message had.
_MARK = f"""
local state, receivers = redis.call('HMGET', KEYS[1], 'epoch', 'last'), 0
if ARGV[4] then receivers = redis.call('PUBLISH', ARGV[4], ARGV[5]) end
redis.call('PUBLISH', ARGV[1], '{{"type":"' .. ARGV[3] .. '","number":' .. ARGV[2] .. ',"epoch":"' ..
  (state[1] or '{NO_EPOCH}') .. '","last":' .. (state[2] or '0') .. '}}')
return receivers
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that was recorded in ``epoch`` up to the id ``last`` was published before this mark."""

    number: int
    epoch: str
    last: int


class NodeMessages:
    """Sends messages to nodes, and passes on those to this node by their ``type``."""

    def __init__(self, client: Client, node: str) -> None:
        self.topic = node_topic(node)
        self.dropped = 0
        """How many messages on the topic were no message between nodes."""
        self._client = client
        self._receivers: dict[str, list[Callable[[Mapping[str, Any]], object]]] = {}

    def on(self, kind: str, receive: Callable[[Mapping[str, Any]], object]) -> None:
        """Call ``receive`` with each message of the type ``kind``. It may raise ValueError for a bad one."""
        self._receivers.setdefault(kind, []).append(receive)

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message on :attr:`topic`."""
        try:
            message = parse_json(payload)
            for receive in self._receivers[message["type"]]:
                receive(message)
        except (ValueError, TypeError, KeyError) as error:
            self.dropped += 1
            log.warning("Dropped %d bytes on %r: %s", len(payload), topic, type(error).__name__)

    async def send(self, node: str, kind: str, /, **fields: Any) -> int:
        """Send a message to a node; return how many subscribers received it.

        Raises:
            RedisUnavailable: it is not known whether it was sent.
        """
        text = dump_ascii_json({"type": kind, **fields})
        receivers: int = await call(self._client.publish, node_topic(node), text)
        return receivers

    async def mark(self, number: int) -> None:
        """Have Redis send a mark with that number to this node.

        Raises:
            RedisUnavailable: it is not known whether it was sent.
        """
        await call(self._client.eval, _MARK, 1, HISTORY, self.topic, number, MARK)

    async def ask(self, node: str, kind: str, /, *, mark: str, number: int, **fields: Any) -> int:
        """Send a message to a node, and in the same step a mark of the type ``mark`` to this one.

        Return how many subscribers received the message.

        Raises:
            RedisUnavailable: it is not known whether both were sent.
        """
        text = dump_ascii_json({"type": kind, **fields})
        receivers: int = await call(
            self._client.eval, _MARK, 1, HISTORY, self.topic, number, mark, node_topic(node), text
        )
        return receivers


def parse_mark(message: object) -> Mark:
    """Parse a message of the type :data:`MARK`.

    Raises:
        ValueError: it is none.
    """
    fields = message if isinstance(message, Mapping) else {}
    number, epoch, last = fields.get("number"), fields.get("epoch"), fields.get("last")
    if type(number) is not int or not isinstance(epoch, str) or type(last) is not int:
        raise ValueError("a mark has a number, an epoch and a last id")
    return Mark(number, epoch, last)
