"""Sessions that lost their user: a task for each removes it in Redis, however long Redis is away."""

from __future__ import annotations

import asyncio
import logging

from hornet.broker.users import UserStore
from hornet.core.errors import RedisUnavailable
from hornet.flows.process.background import finish

log = logging.getLogger(__name__)

RETRY_S = 1.0

WAIT_S = 5.0
"""How long a new user of a session waits until the session is removed from the former one."""


class PendingRemovals:
    """The sessions that are being removed from their user in Redis, by their id."""

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, sid: str) -> bool:
        return sid in self._tasks

    def begin(self, user: str, sid: str) -> None:
        """Remove the session in the background; try again until Redis has done it."""
        removal = self._remove(user, sid, self._tasks.get(sid))
        task = self._tasks[sid] = asyncio.create_task(removal, name="hornet-departure")
        task.add_done_callback(lambda done: self._forget(sid, done))

    async def wait(self, sid: str) -> None:
        """Return when the session is removed, or was not being removed.

        Raises:
            RedisUnavailable: the removal takes longer than ``WAIT_S``.
        """
        task = self._tasks.get(sid)
        if task is not None and not (await asyncio.wait({task}, timeout=WAIT_S))[0]:
            raise RedisUnavailable("the former user of the session is still being taken out")

    async def close(self, timeout_s: float) -> None:
        """Wait for the removals, for ``timeout_s`` at most: another node will remove the rest."""
        if late := await finish(tuple(self._tasks.values()), timeout_s):
            log.warning("Stopped before %d sessions were taken from their users", late)

    async def _remove(self, user: str, sid: str, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})
        while True:
            try:
                return await self._store.depart(user, sid)
            except RedisUnavailable as error:
                log.debug("Session %s can't be taken from its user now: %s", sid, error)
                await asyncio.sleep(RETRY_S)

    def _forget(self, sid: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(sid) is task:
            del self._tasks[sid]
