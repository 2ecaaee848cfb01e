"""Sessions that are no longer their user's: taken out of Redis, however long Redis is away."""

from __future__ import annotations

import asyncio
import logging

from hornet.broker.users import UserStore
from hornet.core.errors import RedisUnavailable

log = logging.getLogger(__name__)

RETRY_S = 1.0

WAIT_S = 5.0
"""How long a new user of a session waits for the former one to be taken out."""


class PendingRemovals:
    """The sessions on their way out, by their id."""

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self._leaving: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, sid: str) -> bool:
        return sid in self._leaving

    def begin(self, user: str, sid: str) -> None:
        """Take the session out, in the background, until that has succeeded."""
        task = asyncio.create_task(self._depart(user, sid, self._leaving.get(sid)), name="hornet-departure")
        self._leaving[sid] = task
        task.add_done_callback(lambda done: self._end(sid, done))

    async def wait(self, sid: str) -> None:
        """Return when the session is out.

        Raises:
            RedisUnavailable: it still is not after a while.
        """
        task = self._leaving.get(sid)
        if task is not None and not (await asyncio.wait({task}, timeout=WAIT_S))[0]:
            raise RedisUnavailable("the former user of the session is still being taken out")

    async def close(self, timeout_s: float) -> None:
        """Give those under way this time, then give up: another node will find what is left."""
        tasks = list(self._leaving.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            log.warning("Stopped before %d sessions were taken from their users", len(late))

    async def _depart(self, user: str, sid: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        while True:
            try:
                return await self._store.depart(user, sid)
            except RedisUnavailable as error:
                log.debug("Session %s can't be taken from its user now: %s", sid, error)
                await asyncio.sleep(RETRY_S)

    def _end(self, sid: str, task: asyncio.Task[None]) -> None:
        if self._leaving.get(sid) is task:
            del self._leaving[sid]
