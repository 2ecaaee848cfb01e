"""The inbox of a session: the work that its packets ask for, done one job after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

Job = Callable[..., Awaitable[object]]

INBOX_HIGH, INBOX_LOW = 64, 16
"""Waiting jobs at which reading from the client stops, and at which it goes on."""


class InboxOwner(Protocol):
    """The session, as its inbox sees it."""

    def pause_reading(self) -> None:
        """Read nothing more from the client, where the transport can stop."""
        ...

    def resume_reading(self) -> None:
        """Read from the client again."""
        ...

    def on_job_failed(self) -> None:
        """Count a job that raised an exception."""
        ...

    def on_inbox_empty(self) -> None:
        """Drop the inbox: its last job is done."""
        ...


class SessionInbox:
    """Runs jobs in the order in which they were added; its task ends with the last one.

    A session makes an inbox when there is work and drops it afterwards, so an idle session has no task.
    """

    __slots__ = ("_low", "_owner", "_waiting", "task")

    def __init__(self, owner: InboxOwner) -> None:
        self._owner = owner
        self._waiting: deque[tuple[Job, tuple[Any, ...]]] = deque()
        self._low: asyncio.Event | None = None
        """Set when few enough jobs wait; made when a caller waits for that."""
        self.task = asyncio.get_running_loop().create_task(self._run())

    def add(self, job: Job, args: tuple[Any, ...]) -> None:
        """Run ``job`` after all jobs that were added before."""
        self._waiting.append((job, args))
        if len(self._waiting) >= INBOX_HIGH:  # each time: an upgrade may have brought a new transport
            self._owner.pause_reading()

    async def drain(self) -> None:
        """Return when at most ``INBOX_LOW`` jobs wait, so that more packets may be taken."""
        while len(self._waiting) > INBOX_LOW and not self.task.done():
            if self._low is None:
                self._low = asyncio.Event()
            self._low.clear()
            await self._low.wait()

    async def _run(self) -> None:
        """Run the jobs. A job that raises is a bug in Hornet or in a plug-in; the next jobs still run."""
        owner = self._owner
        try:
            while self._waiting:
                job, args = self._waiting.popleft()
                try:
                    await job(*args)
                except Exception:  # a plug-in or hook may raise anything
                    owner.on_job_failed()
                    log.exception("A handler failed")
                if len(self._waiting) == INBOX_LOW:
                    owner.resume_reading()
                    self._wake_readers()
            owner.on_inbox_empty()
        finally:
            self._wake_readers()

    def _wake_readers(self) -> None:
        if self._low is not None:
            self._low.set()
