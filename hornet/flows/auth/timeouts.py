"""The authentication timeout of all sessions, with one timer of the event loop.

Every session gets the same time, so they run out in the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hornet.flows.sessions.sessions import Session


class AuthTimeouts:
    """Calls ``on_due`` with each session ``after_s`` its start, unless it was stopped before."""

    def __init__(self, after_s: float, on_due: Callable[[Session], None]) -> None:
        self._after_s = after_s
        self._on_due = on_due
        self._due: dict[Session, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self._due[session] = loop.time() + self._after_s
        if self._timer is None:
            self._timer = loop.call_later(self._after_s, self._turn)

    def stop(self, session: Session) -> None:
        """Forget the session. The timer stays: it finds out for whom it rings."""
        self._due.pop(session, None)

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        try:
            while self._due:
                session, due = next(iter(self._due.items()))
                if due > loop.time():
                    break
                del self._due[session]
                self._on_due(session)
        finally:
            if self._due and self._timer is None:
                self._timer = loop.call_at(next(iter(self._due.values())), self._turn)
