"""The log lines about sessions: opened, in, refused, closed. A crowd of them is summarised."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from hornet.core.limits import Throttle
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""How long the lines of one kind are counted together."""

MOST_LINES = 50
"""Lines of one kind in that time. A person who looks for one session reads these; a crowd is a number."""

MOST_CHANNELS = 5
MOST_CHARS = 64
"""Of a name that a client chose."""


class SessionLog:
    """Writes one line for each step of a session, at level INFO, with what an operator needs to act on it.

    Beyond ``MOST_LINES`` of one kind in ``EVERY_S``, the steps are counted, and told in one line at the end
    of that time. Refusals of different codes are different kinds.
    """

    def __init__(self) -> None:
        self._written: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._until = 0.0
        self._failures = Throttle(EVERY_S)

    def opened(self, session: Session) -> None:
        if self._is_due("opened"):
            log.info("Session %s opened from %s", session.sid, session.address)

    def admitted(self, session: Session, channels: Iterable[str]) -> None:
        if self._is_due("in"):
            user = "a guest" if session.user is None else f"user {_quoted(session.user)}"
            log.info("Session %s is in: %s, channels %s", session.sid, user, _listed(channels))

    def refused(self, session: Session, code: str, channels: Iterable[str], event: str = "") -> None:
        """Say which channels the client asked for and which page it is: both are often the mistake."""
        if self._is_due(f"refused: {code}"):
            origin = session.handshake.headers.get("origin")
            log.info(
                "Session %s was refused: %s, channels %s, origin %s%s",
                session.sid,
                code,
                _listed(channels),
                "-" if origin is None else _quoted(origin),
                f", event {_quoted(event)}" if event else "",
            )

    def failed(self, session: Session, action: str, error: Exception) -> None:
        """Warn that Redis did not answer, once in ``EVERY_S``: it is away for all sessions then."""
        if self._failures.is_due(asyncio.get_running_loop().time()):
            log.warning("%s of session %s failed: %s", action, session.sid, error)

    def closed(self, session: Session, reason: str) -> None:
        if self._is_due("closed"):
            log.info("Session %s closed: %s", session.sid, reason)

    def _is_due(self, kind: str) -> bool:
        """Return whether a line of this kind is to be written now; otherwise it is counted."""
        if not log.isEnabledFor(logging.INFO):
            return False
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._until:
            self._until = now + EVERY_S
            self._written.clear()
        self._written[kind] += 1
        if self._written[kind] <= MOST_LINES:
            return True
        if not self._left_out:
            loop.call_at(self._until, self._summarise)
        self._left_out[kind] += 1
        return False

    def _summarise(self) -> None:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self._left_out.items()))
        self._left_out.clear()
        log.info("Further sessions in the last %g s: %s", EVERY_S, counts)


def named_channels(fields: object) -> tuple[str, ...]:
    """Return the channels that a client's request names, in any form, well-formed or not."""
    if not isinstance(fields, dict):
        return ()
    value = fields.get("channels", fields.get("channel"))
    names = value if isinstance(value, list | tuple) else [value]
    return tuple(name for name in names if isinstance(name, str))


def _listed(channels: Iterable[str]) -> str:
    names = list(channels)
    listed = ", ".join(_quoted(name) for name in names[:MOST_CHANNELS]) or "-"
    return f"{listed} and {len(names) - MOST_CHANNELS} more" if len(names) > MOST_CHANNELS else listed


def _quoted(text: str) -> str:
    """Return text of a client so that it can't begin a line of its own, nor fill the log."""
    return repr(text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}…")
