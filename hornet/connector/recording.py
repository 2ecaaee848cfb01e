"""How a connector records what it publishes in the history, so that clients that come back get it.

Nothing here does I/O. :meth:`Recording.steps` says which command to try next, and both transports follow it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from enum import IntEnum
from typing import Any

from redis.exceptions import ResponseError

from hornet.broker.history_scripts import script
from hornet.broker.keys import HISTORY
from hornet.broker.user_commands import RedisCommand

FUNCTION = "hornet_publish_topic"

LOST_S = 1.0
"""A Redis that was restarted empty gets the Functions of the history again within about this time."""

REFUSED_S = 60.0
"""Where Redis has no Functions, or the ACL refuses them, the connector tries again after this time."""


class Way(IntEnum):
    """The ways to publish, the best first."""

    FUNCTION = 0
    SCRIPT = 1
    PLAIN = 2


class Recording:
    """Finds the best way to publish that Redis permits, and remembers it for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._way = Way.FUNCTION
        self._until = 0.0

    def steps(self, topic: str, text: str) -> Generator[RedisCommand, Any, int]:
        """Yield the command to try next, be sent its answer, or have thrown in Redis' refusal.

        Return how many nodes received the message. An error that Redis answers means that nothing was
        published; that of the last way, a plain PUBLISH, comes out.
        """
        way = self._way if self._clock() < self._until else Way.FUNCTION
        while way is not Way.PLAIN:
            try:
                answer = yield _command(way, topic, text)
            except ResponseError as refused:
                way = self._next(way, str(refused))
            else:
                return int(answer[1])
        return int((yield ("PUBLISH", topic, text)))

    def _next(self, way: Way, reason: str) -> Way:
        """Return the way to try after ``reason``."""
        if "Function not found" in reason:
            return self._leave(way, LOST_S)
        is_refused = "unknown command" in reason or "no permissions" in reason
        if is_refused and "in script" not in reason:
            return self._leave(way, REFUSED_S)
        return Way.PLAIN  # Redis takes no writes, or refuses the channel: the next message may fare better

    def _leave(self, way: Way, pause_s: float) -> Way:
        now = self._clock()
        if now >= self._until:  # a better way that was left before is tried again when its pause is over
            self._until = now + pause_s
        self._way = Way(way + 1)
        return self._way


def _command(way: Way, topic: str, text: str) -> RedisCommand:
    if way is Way.FUNCTION:
        return ("FCALL", FUNCTION, "1", HISTORY, topic, text)
    return ("EVAL", script(FUNCTION), "1", HISTORY, topic, text)
