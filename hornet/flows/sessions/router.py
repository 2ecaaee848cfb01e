"""The table of client events, with the handler of each event.

A handler is awaited with the session and the event's arguments. Events of one session are handled one after
the other, in their order. The result of a handler answers the client's acknowledgement. A refusal is answered
as ``{"error": {"code", "message"}}``, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from hornet.core import answers, codes
from hornet.core.errors import PeerError, RedisUnavailable, RefusedByRedis
from hornet.core.sessions import AuthState
from hornet.engine import FollowedAnswer, SharedAnswer
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


SEVERAL = "subscriptions"
"""The field with the arguments, where one event stands for several."""

MAX_SEVERAL = 50
"""So that one event does not occupy a session, and Redis for it, for longer than a moment."""


class EventRoute(NamedTuple):
    """One row of the table. Where ``needs_authentication``, sessions that are not READY are refused.

    An event that ``takes_several`` may carry the arguments of several such events in :data:`SEVERAL`.
    """

    event: str
    handler: Handler
    needs_authentication: bool
    takes_several: bool = False


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
        for event, handler, needs_authentication, takes_several in routes:
            if event in self._handlers:
                raise ValueError(f"event {event!r} has two handlers")
            self._handlers[event] = (
                partial(self._handle_several, event, handler) if takes_several else handler
            )
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
            self._session_log.failed(session, f"Event {event!r}", error)
            return self._refuse(session, event, args, RefusedEvent(codes.UNAVAILABLE))

    async def _handle_several(
        self, event: str, handler: Handler, session: Session, args: Sequence[object]
    ) -> object:
        """Handle an event that may stand for several: one after the other, and each gets its own answer.

        A token is checked in Redis, and may authenticate the session, so an argument with a token comes
        alone. When Redis does not answer, the rest is not tried: the session would wait for each.
        """
        argument = args[0] if args else None
        if not (isinstance(argument, Mapping) and SEVERAL in argument):
            return await handler(session, args)
        items = argument[SEVERAL]
        if not isinstance(items, list | tuple) or not 0 < len(items) <= MAX_SEVERAL:
            raise RefusedEvent(
                codes.WRONG_PARAMETERS, f"'{SEVERAL}' is no list of 1 to {MAX_SEVERAL} objects"
            )
        if session.state is not AuthState.READY:
            raise RefusedEvent(codes.NOT_AUTHENTICATED)
        results: list[object] = []
        for item in items:
            if not isinstance(item, Mapping) or SEVERAL in item or "token" in item:
                error = RefusedEvent(codes.WRONG_PARAMETERS, "a subscription with a token comes alone")
                result: object = self._refuse(session, event, (item,), error)
            else:
                result = await self.handle(session, event, (item,))
                if isinstance(result, FollowedAnswer):  # the answer to all comes too late for that
                    result.follow()
                    result = result.value
            results.append(result)
            if isinstance(result, dict) and result.get("error", {}).get("code") == codes.UNAVAILABLE:
                results += [result] * (len(items) - len(results))
                break
        # What the session was told meanwhile is in no answer that was made before.
        latest = [result.latest().value if isinstance(result, SharedAnswer) else result for result in results]
        return {"ok": True, SEVERAL: latest}

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
