"""Topics on which plain publishes were heard: what is recorded there is not all that was published.

Redis has no memory of a plain PUBLISH. So after a loss, a topic is known to be whole only where nobody
publishes in the plain way. Each node remembers that for its own sources, and notes it in Redis for the
others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Collection

from hornet.broker.history_types import NOTE_EVERY_US
from hornet.core.errors import RedisUnavailable

log = logging.getLogger(__name__)

NOTE_EVERY_S = NOTE_EVERY_US / 1_000_000
"""How often a topic is noted in Redis, at most."""

MAX_TOPICS = 20_000
"""Beyond that, topics are noted more often."""


class PlainNotes:
    """Remembers sources with plain publishes; ``note`` writes their topics to Redis."""

    def __init__(self, note: Callable[[Collection[str]], Awaitable[None]]) -> None:
        self._note = note
        self._sources: set[str] = set()
        self._noted: dict[str, float] = {}
        self._unnoted: set[str] = set()

    def add(self, source: str, topic: str) -> None:
        """Remember a plain publish."""
        self._sources.add(source)
        now = time.monotonic()
        if now - self._noted.get(topic, -NOTE_EVERY_S) >= NOTE_EVERY_S:
            if len(self._noted) >= MAX_TOPICS:
                self._noted.clear()
            self._noted[topic] = now
            self._unnoted.add(topic)

    def __contains__(self, source: str) -> bool:
        return source in self._sources

    def forget(self, source: str) -> None:
        """Forget a source that the node hears no more."""
        self._sources.discard(source)

    async def flush(self) -> None:
        """Write to Redis what is not written yet. What Redis does not take is written with the next."""
        if not self._unnoted:
            return
        topics, self._unnoted = self._unnoted, set()
        try:
            await self._note(topics)
        except RedisUnavailable as error:
            log.debug("Plain publishes on %d topics are not noted yet: %s", len(topics), error)
            self._unnoted |= topics
