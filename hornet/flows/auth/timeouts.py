"""The authentication timeout of all sessions, with one timer of the event loop.

Every session gets the same time, so the timeouts expire in the order in which they were started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hornet.flows.sessions.sessions import Session


class AuthTimeouts:
    """Calls ``on_timeout`` with each session ``timeout_s`` after its start, unless it was stopped before.

    With a ``timeout_s`` of 0 no session ever times out.
    """

    def __init__(self, timeout_s: float, on_timeout: Callable[[Session], None]) -> None:
        self._timeout_s = timeout_s
        self._on_timeout = on_timeout
        self._due: dict[Session, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, session: Session) -> None:
        """Give the session the whole time, from now on."""
        if not self._timeout_s:
            return
        loop = asyncio.get_running_loop()
        self._due[session] = loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_s, self._expire)

    def stop(self, session: Session) -> None:
        """Forget the session. The timer stays: it may fire early, and is then set for the next session."""
        self._due.pop(session, None)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        try:
            while self._due:
                session, due = next(iter(self._due.items()))
                if due > loop.time():
                    break
                del self._due[session]
                self._on_timeout(session)
        finally:
            if self._due and self._timer is None:
                self._timer = loop.call_at(next(iter(self._due.values())), self._expire)
