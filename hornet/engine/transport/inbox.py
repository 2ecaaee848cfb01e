"""What the packets of one session ask for, done one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornet.engine.transport.session import EngineSession

log = logging.getLogger(__name__)

Job = Callable[..., Awaitable[object]]

INBOX_HIGH, INBOX_LOW = 64, 16
"""Jobs that wait for their turn at which reading from the session stops, and goes on."""


class SessionInbox:
    """Begins each job when those before it are over. ``task`` ends with the last; the session forgets it."""

    __slots__ = ("_session", "_waiting", "task")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self._waiting: deque[tuple[Job, tuple[Any, ...]]] = deque()
        self.task = asyncio.get_running_loop().create_task(self._run())

    def add(self, job: Job, args: tuple[Any, ...]) -> None:
        self._waiting.append((job, args))
        if len(self._waiting) == INBOX_HIGH and self._session.link is not None:
            self._session.link.pause_reading()

    async def drain(self) -> None:
        """Return when few enough wait that more may be taken."""
        while len(self._waiting) > INBOX_LOW and not self.task.done():
            await asyncio.wait((self.task,), timeout=0.05)

    async def _run(self) -> None:
        """The supervisor of the jobs: one that fails is ours to mend, and does not end the others."""
        session = self._session
        while self._waiting:
            job, args = self._waiting.popleft()
            try:
                await job(*args)
            except Exception:  # a plug-in or hook may raise anything
                session.host.counts.hook_errors += 1
                log.exception("A handler failed")
            if len(self._waiting) == INBOX_LOW and session.link is not None:
                session.link.resume_reading()
        session.inbox = None
