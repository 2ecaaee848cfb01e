"""The inbox of a session: the work that its packets ask for, done one job after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from hornet.engine.transport.transport import Transport

log = logging.getLogger(__name__)

Job = Callable[..., Awaitable[object]]

INBOX_HIGH, INBOX_LOW = 64, 16
"""Waiting jobs at which reading from the client stops, and at which it goes on."""

BYTES_HIGH, BYTES_LOW = 1_000_000, 250_000
"""What the client sent for the waiting jobs, in bytes: reading stops and goes on at these, too."""


class InboxOwner(Protocol):
    """The session, as its inbox sees it."""

    inbox: SessionInbox | None
    transport: Transport

    def on_job_failed(self) -> None:
        """Count a job that raised an exception."""
        ...

    def on_inbox_empty(self) -> None:
        """Drop the inbox: its last job is done."""
        ...


class JobRunner:
    """The part of a session that runs jobs: it makes an inbox when there is work, and drops it afterwards."""

    __slots__ = ("inbox",)

    inbox: SessionInbox | None
    """The work that its packets asked for and that is not done yet."""

    def do(self: InboxOwner, job: Job, *args: Any, size: int = 0) -> None:
        """Run ``job`` after all jobs given before; ``size`` is how many bytes the client sent for it.

        A task exists only while there is work.
        """
        if self.inbox is None:
            self.inbox = SessionInbox(self)
        self.inbox.add(job, args, size)

    async def drain(self) -> None:
        """Return when few enough jobs wait that more packets may be taken."""
        if self.inbox is not None:
            await self.inbox.drain()


class SessionInbox:
    """Runs jobs in the order in which they were added; its task ends with the last one.

    A session makes an inbox when there is work and drops it afterwards, so an idle session has no task.
    """

    __slots__ = ("_low", "_owner", "_waiting", "is_full", "task", "waiting_bytes")

    def __init__(self, owner: InboxOwner) -> None:
        self._owner = owner
        self._waiting: deque[tuple[Job, tuple[Any, ...], int]] = deque()
        self.waiting_bytes = 0
        """How many bytes the client sent for the waiting jobs."""
        self.is_full = False
        """Whether so much waits that nothing more is to be read from the client."""
        self._low: asyncio.Event | None = None
        """Set when few enough jobs wait; made when a caller waits for that."""
        self.task = asyncio.get_running_loop().create_task(self._run())

    def add(self, job: Job, args: tuple[Any, ...], size: int) -> None:
        """Run ``job`` after all jobs that were added before; the client sent ``size`` bytes for it."""
        self._waiting.append((job, args, size))
        self.waiting_bytes += size
        if len(self._waiting) >= INBOX_HIGH or self.waiting_bytes >= BYTES_HIGH:
            self.is_full = True
            self._owner.transport.pause_reading()  # each time: an upgrade may have brought a new transport

    @property
    def _is_low(self) -> bool:
        return len(self._waiting) <= INBOX_LOW and self.waiting_bytes <= BYTES_LOW

    async def drain(self) -> None:
        """Return when few enough jobs and bytes wait, so that more packets may be taken."""
        while not self._is_low and not self.task.done():
            if self._low is None:
                self._low = asyncio.Event()
            self._low.clear()
            await self._low.wait()

    async def _run(self) -> None:
        """Run the jobs. A job that raises is a bug in Hornet or in a plug-in; the next jobs still run."""
        owner = self._owner
        try:
            while self._waiting:
                job, args, size = self._waiting.popleft()
                self.waiting_bytes -= size
                try:
                    await job(*args)
                except Exception:  # a plug-in or hook may raise anything
                    owner.on_job_failed()
                    log.exception("A handler failed")
                if (self.is_full or self._low is not None) and self._is_low:
                    self.is_full = False
                    owner.transport.resume_reading()
                    self._wake_readers()
            owner.on_inbox_empty()
        finally:
            self._wake_readers()

    def _wake_readers(self) -> None:
        if self._low is not None:
            self._low.set()
