"""Which handler answers which event of a client.

A handler is awaited with the session and the event's arguments; events of one session are handled one after
the other, in their order. What it returns answers the client's acknowledgement. A refusal is answered as
``{"error": {"code", "message"}}``, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from hornet.core import answers, codes
from hornet.core.errors import PeerError, RedisUnavailable, RefusedByRedis
from hornet.core.sessions import AuthState
from hornet.flows.sessions.sessions import Session
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

Handler = Callable[[Session, Sequence[object]], Awaitable[object]]

MAX_LOGGED_CHARS = 64


class RefusedEvent(PeerError):
    """A client's event was refused; ``code`` and ``detail`` are told to that client.

    Without a detail, the sentence of the code is told.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail or codes.ACKNOWLEDGEMENTS[code].sentence)


class Router:
    """The events that clients of the default namespace may emit."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._handlers: dict[str, Handler] = {}
        self._open: set[str] = set()

    def on(self, event: str, handler: Handler, *, needs_authentication: bool = True) -> None:
        """Have ``handler`` answer ``event``; of sessions without a valid credential only if it says so.

        Raises:
            ValueError: the event has a handler.
        """
        if event in self._handlers:
            raise ValueError(f"event {event!r} has a handler already")
        self._handlers[event] = handler
        if not needs_authentication:
            self._open.add(event)

    async def handle(self, session: Session, event: str, args: Sequence[object]) -> object:
        """The answer to one event of a client."""
        try:
            handler = self._handlers.get(event)
            if handler is None:
                raise RefusedEvent(codes.UNKNOWN_EVENT)
            if session.state is not AuthState.READY and event not in self._open:
                raise RefusedEvent(codes.NOT_AUTHENTICATED)
            return await handler(session, args)
        except PeerError as error:
            return self._refuse(session, event, error)
        except RefusedByRedis as error:
            log.debug("Event %r of session %s failed: %s", event, session.sid, error)
            return self._refuse(session, event, RefusedEvent(codes.REFUSED_BY_REDIS))
        except RedisUnavailable as error:
            log.warning("Event %r of session %s failed: %s", event, session.sid, error)
            return self._refuse(session, event, RefusedEvent(codes.UNAVAILABLE))

    def _refuse(self, session: Session, event: str, error: PeerError) -> dict[str, object]:
        self._metrics.refused.labels(error.code).inc()
        log.debug("Refused event %.*r of session %s: %s", MAX_LOGGED_CHARS, event, session.sid, error.code)
        return answers.error_acknowledgement(error.code, error.detail)
