"""How a client gets in: from its credentials to its channels.

In this order, so that no message is missed and no token is lost without need: the credentials are parsed,
the token is consumed in one step in Redis, this node subscribes to the channels it does not hear yet, and
only then the session enters the rooms and is told ``connected``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from hornet.broker.events import EventPublisher
from hornet.broker.keys import channel_topic
from hornet.broker.listener import Listener
from hornet.broker.tokens import TokenStore
from hornet.core import answers
from hornet.core.channels import CONTROL_CHANNEL
from hornet.core.credentials import (
    Credentials,
    parse_credentials,
    parse_delivery,
    query_fields,
    shows_credentials,
)
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.messages import Delivery, Message
from hornet.core.sessions import State, Step
from hornet.engine import Engine, Handshake
from hornet.flows.deadlines import Deadlines
from hornet.flows.rooms import room_of
from hornet.flows.sessions import Session, Sessions
from hornet.flows.settings import SessionSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class Admission:
    """Lets sessions in, answers them, and cleans up behind them. These are the engine's hooks."""

    def __init__(
        self,
        settings: SessionSettings,
        sessions: Sessions,
        tokens: TokenStore,
        listener: Listener,
        events: EventPublisher,
        metrics: Metrics,
    ) -> None:
        self._deadlines = Deadlines(settings.auth_timeout_s, self._on_auth_timeout)
        self._sessions = sessions
        self._tokens = tokens
        self._listener = listener
        self._events = events
        self._metrics = metrics
        self._checking: set[Session] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.engine: Engine  # set by the composition root: engine and hooks need each other

    async def on_connect(self, sid: str, handshake: Handshake) -> None:
        """Start the authentication timeout; use what ``auth`` or the query shows, if anything."""
        session = Session(sid, handshake.address)
        self._sessions.add(session)
        self._metrics.sessions_opened.inc()
        self._deadlines.start(session)
        log.info("Session %s opened from %s", sid, handshake.address)
        shown: object = handshake.auth
        if not shows_credentials(shown):
            query = query_fields(handshake.query)
            shown = {**query, **shown} if isinstance(shown, dict) else query
        try:
            self.engine.set_delivery(sid, parse_delivery(shown, Delivery.MESSAGE))
        except RefusedCredentials as refused:
            session.move(Step.ATTEMPTED)
            self._refuse(session, refused)
            return
        if shows_credentials(shown):
            await self._attempt(session, shown)

    async def on_event(self, sid: str, event: str, args: Sequence[object]) -> object:
        """Event ``message`` carries credentials. No other event has a meaning yet."""
        session = self._sessions.get(sid)
        if session is not None and event == "message":
            await self._attempt(session, args[0] if args else None)
        return None

    async def on_disconnect(self, sid: str, reason: str) -> None:
        """Leave the rooms, release the subscriptions, tell the backend."""
        session = self._sessions.remove(sid)
        if session is None:
            return
        session.move(Step.GONE)
        self._deadlines.stop(session)
        for channel in session.channels:
            self.engine.leave(sid, room_of(channel))
            self._listener.release(channel_topic(channel))
        for token, channels in session.grants.items():
            self._events.tell_disconnect(token, channels)
        log.info("Session %s closed: %s", sid, reason)

    def close(self, session: Session, code: str) -> None:
        """Tell a session why and end it for good; a stock client will not come back by itself."""
        self._metrics.refused.labels(code).inc()
        self._tell(session, answers.error(code))
        task = asyncio.create_task(self.engine.close(session.sid, final=True))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def revoke(self, tokens: frozenset[str]) -> None:
        """Close the sessions of ``tokens``, and those that are just showing one of them."""
        for session in self._sessions.with_tokens(tokens):
            self.close(session, answers.TOKEN_REVOKED)
        for session in self._checking:
            if session.attempting in tokens:
                session.attempting = None

    async def _attempt(self, session: Session, shown: object) -> None:
        if session.state is State.CLOSED:
            return
        session.move(Step.ATTEMPTED)
        try:
            credentials = parse_credentials(shown)
            if CONTROL_CHANNEL in credentials.channels:
                raise RefusedCredentials(answers.WRONG_TOKEN_ASSOCIATION, "the channel is reserved")
            session.attempting = credentials.token
            self._checking.add(session)
            await self._tokens.take(credentials)
        except RefusedCredentials as refused:
            self._refuse(session, refused)
        except RedisUnavailable as error:
            log.warning("Session %s could not be checked: %s", session.sid, error)
            self._refuse(session, RefusedCredentials(answers.UNAVAILABLE, str(error)))
        else:
            await self._let_in(session, credentials)
        finally:
            self._checking.discard(session)

    async def _let_in(self, session: Session, credentials: Credentials) -> None:
        """The token is consumed: the client gets in, unless it leaves or is revoked meanwhile."""
        self._deadlines.stop(session)
        added = [channel for channel in credentials.channels if channel not in session.channels]
        topics = [channel_topic(channel) for channel in added]
        confirmations = [self._listener.hold(topic) for topic in topics]
        try:
            if unconfirmed := [one for one in confirmations if not one.done()]:
                await asyncio.gather(*unconfirmed)
        except BaseException:
            self._release(topics)
            raise
        if session.state is State.CLOSED or session.attempting != credentials.token:
            self._release(topics)
            if session.state is not State.CLOSED:
                self.close(session, answers.TOKEN_REVOKED)
            return
        session.attempting = None
        session.move(Step.GRANTED)
        self._sessions.grant(session, credentials.token, credentials.channels)
        for channel in added:
            session.channels.add(channel)
            self.engine.enter(session.sid, room_of(channel))
        self._metrics.admitted.inc()
        self._events.tell_connect(credentials.token, credentials.channels)
        self._tell(session, answers.CONNECTED)

    def _release(self, topics: Sequence[str]) -> None:
        for topic in topics:
            self._listener.release(topic)

    def _refuse(self, session: Session, refused: RefusedCredentials) -> None:
        session.attempting = None
        if session.move(Step.REFUSED) is State.CLOSED:
            return
        self._metrics.refused.labels(refused.code).inc()
        self._tell(session, answers.refusal(refused))

    def _on_auth_timeout(self, session: Session) -> None:
        if session.move(Step.TIMED_OUT) is State.CLOSED:
            self.close(session, answers.AUTHENTICATION_TIMEOUT)

    def _tell(self, session: Session, message: Message) -> None:
        self.engine.tell(session.sid, message)
