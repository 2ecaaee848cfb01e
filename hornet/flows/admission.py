"""How a client gets in: from its credentials to its channels.

In this order, so that no message is missed and no token is lost without need: the credentials are parsed,
the token is consumed in one step in Redis, this node subscribes to the channels it does not hear yet, and
only then the session enters the rooms and is told ``connected``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from hornet.broker.events import EventPublisher
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
from hornet.core.grants import Grant
from hornet.core.limits import OverLimit
from hornet.core.messages import Delivery, Message
from hornet.core.sessions import State, Step
from hornet.engine import Engine
from hornet.flows.deadlines import Deadlines
from hornet.flows.sessions import Session, Sessions
from hornet.flows.settings import SessionSettings
from hornet.flows.subscriptions import By, Subscriptions, always
from hornet.flows.users import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class Admission:
    """Lets sessions in and answers them."""

    def __init__(
        self,
        settings: SessionSettings,
        sessions: Sessions,
        tokens: TokenStore,
        subscriptions: Subscriptions,
        users: Users,
        events: EventPublisher,
        metrics: Metrics,
    ) -> None:
        self._deadlines = Deadlines(settings.auth_timeout_s, self._on_auth_timeout)
        self._sessions = sessions
        self._tokens = tokens
        self._subscriptions = subscriptions
        self._users = users
        self._events = events
        self._metrics = metrics
        self._checking: set[Session] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self.engine: Engine  # set by the composition root: engine and hooks need each other

    async def begin(self, session: Session) -> None:
        """Start the authentication timeout; use what ``auth`` or the query shows, if anything."""
        self._deadlines.start(session)
        shown: object = session.handshake.auth
        if not shows_credentials(shown):
            query = query_fields(session.handshake.query)
            shown = {**query, **shown} if isinstance(shown, dict) else query
        try:
            self.engine.set_delivery(session.sid, parse_delivery(shown, Delivery.MESSAGE))
        except RefusedCredentials as refused:
            session.move(Step.ATTEMPTED)
            self._refuse(session, refused)
            return
        if shows_credentials(shown):
            await self._attempt(session, shown)

    async def on_message(self, session: Session, args: Sequence[object]) -> None:
        """Event ``message``, which carries credentials; it is answered by an event of the same name."""
        await self._attempt(session, args[0] if args else None)

    def end(self, session: Session) -> None:
        """The session is over: tell the backend of its tokens."""
        self._deadlines.stop(session)
        for token, channels in session.tokens.items():
            self._events.tell_disconnect(token, channels)

    async def admit(self, session: Session, grant: Grant, *, still: Callable[[], bool] = always) -> bool:
        """Give a session what it proved to be entitled to, whatever proved it; it is READY then.

        False when it ended meanwhile, or when ``still()`` says that the proof counts no more: then it has
        nothing of it.

        Raises:
            RedisUnavailable: its user could not be registered; it has nothing of the grant.
        """
        self._deadlines.stop(session)
        added = [channel for channel in grant.channels if channel not in session.channels]
        if not await self._subscriptions.join(session, grant.channels, By.CLIENT, still=still):
            return False
        if grant.user is not None:
            try:
                await self._users.arrive(session, grant)
            except BaseException:
                for channel in added:
                    self._subscriptions.leave(session, channel, By.CLIENT)
                raise
        session.publish += tuple(name for name in grant.publish if name not in session.publish)
        if grant.attributes:
            session.attributes = {**(session.attributes or {}), **grant.attributes}
        session.move(Step.GRANTED)
        self._metrics.admitted.inc()
        return True

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
            self._subscriptions.check_room(session, credentials.channels)  # before the token is used up
            session.attempting = credentials.token
            self._checking.add(session)
            grant = await self._tokens.take(credentials)
            if await self._let_in(session, credentials, grant):
                self._tell(session, answers.CONNECTED)
        except RefusedCredentials as refused:
            self._refuse(session, refused)
        except OverLimit as limit:
            self._refuse(session, RefusedCredentials(limit.code, limit.detail))
        except RedisUnavailable as error:
            log.warning("Session %s could not be checked: %s", session.sid, error)
            self._refuse(session, RefusedCredentials(answers.UNAVAILABLE, str(error)))
        finally:
            self._checking.discard(session)

    async def redeem(self, session: Session, credentials: Credentials) -> bool:
        """Use a token up for the session, which gets all of it but the channels asked for.

        Those are for the caller to act on. False when the session ended meanwhile.

        Raises:
            RefusedCredentials: the token does not open them; nothing has changed.
            RedisUnavailable: not known whether it was consumed.
        """
        session.attempting = credentials.token
        self._checking.add(session)
        try:
            grant = await self._tokens.take(credentials)
            return await self._let_in(session, credentials, replace(grant, channels=()))
        finally:
            session.attempting = None
            self._checking.discard(session)

    async def _let_in(self, session: Session, credentials: Credentials, grant: Grant) -> bool:
        """The token is consumed: the client gets in, unless it leaves or is revoked meanwhile."""
        token = credentials.token
        if not await self.admit(session, grant, still=lambda: session.attempting == token):
            if session.state is not State.CLOSED:
                self.close(session, answers.TOKEN_REVOKED)
            return False
        session.attempting = None
        self._sessions.grant(session, token, credentials.channels)
        self._events.tell_connect(token, credentials.channels)
        return True

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
