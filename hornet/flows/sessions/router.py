"""The table of client events, with the handler of each event.

A handler is awaited with the session and the event's arguments. Events of one session are handled one after
the other, in their order. The result of a handler answers the client's acknowledgement. A refusal is answered
as ``{"error": {"code", "message"}}``, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from hornet.core import answers, codes
from hornet.core.errors import PeerError, RedisUnavailable, RefusedByRedis
from hornet.core.sessions import AuthState
from hornet.flows.sessions.session_log import SessionLog, named_channels
from hornet.flows.sessions.sessions import Session
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

Handler = Callable[[Session, Sequence[object]], Awaitable[object]]
Request = Callable[[Session, Mapping[str, object]], Awaitable[object]]


class RefusedEvent(PeerError):
    """A client's event was refused; the client is told ``code`` and ``detail``.

    Without a detail, the client is told the sentence of the code.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail or codes.ACKNOWLEDGEMENTS[code].sentence)


class EventRoute(NamedTuple):
    """One row of the table. Where ``needs_authentication``, sessions that are not READY are refused."""

    event: str
    handler: Handler
    needs_authentication: bool


class Router:
    """Hands the events of clients of the default namespace to their handlers."""

    def __init__(self, routes: Iterable[EventRoute], metrics: Metrics, session_log: SessionLog) -> None:
        """Build the table.

        Raises:
            ValueError: two routes are for the same event.
        """
        self._metrics = metrics
        self._session_log = session_log
        self._handlers: dict[str, Handler] = {}
        self._open: set[str] = set()
        for event, handler, needs_authentication in routes:
            if event in self._handlers:
                raise ValueError(f"event {event!r} has two handlers")
            self._handlers[event] = handler
            if not needs_authentication:
                self._open.add(event)

    async def handle(self, session: Session, event: str, args: Sequence[object]) -> object:
        """Handle one event; return the answer to its acknowledgement."""
        try:
            handler = self._handlers.get(event)
            if handler is None:
                raise RefusedEvent(codes.UNKNOWN_EVENT)
            if session.state is not AuthState.READY and event not in self._open:
                raise RefusedEvent(codes.NOT_AUTHENTICATED)
            return await handler(session, args)
        except PeerError as error:
            return self._refuse(session, event, args, error)
        except RefusedByRedis as error:
            log.debug("Event %r of session %s failed: %s", event, session.sid, error)
            return self._refuse(session, event, args, RefusedEvent(codes.REFUSED_BY_REDIS))
        except RedisUnavailable as error:
            log.warning("Event %r of session %s failed: %s", event, session.sid, error)
            return self._refuse(session, event, args, RefusedEvent(codes.UNAVAILABLE))

    def _refuse(
        self, session: Session, event: str, args: Sequence[object], error: PeerError
    ) -> dict[str, object]:
        self._metrics.refused.labels(error.code).inc()
        self._session_log.refused(session, error.code, named_channels(args[0] if args else None), event)
        return answers.error_acknowledgement(error.code, error.detail)


def by_field(**requests: Request) -> Handler:
    """Return a handler that calls the request whose name is a field of the event's argument.

    The handler refuses an argument that is no object with exactly one of these fields.
    """

    async def handle(session: Session, args: Sequence[object]) -> object:
        argument = args[0] if args else None
        if isinstance(argument, Mapping):
            named = [request for field, request in requests.items() if field in argument]
            if len(named) == 1:
                return await named[0](session, argument)
        fields = " or ".join(f"'{field}'" for field in requests)
        raise RefusedEvent(codes.WRONG_PARAMETERS, f"The argument is no object with {fields}")

    return handle
