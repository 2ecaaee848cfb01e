"""How a client gets in: from what it shows to what it may hear.

In this order, so that no message is missed and no token is lost without need: what it shows is taken by the
first authenticator that knows it, and checked; this node subscribes to the channels it does not hear yet;
only then the session enters the rooms, and is answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from hornet.core import answers, codes
from hornet.core.credentials import Credentials, is_object, parse_delivery, query_fields, shows_credentials
from hornet.core.errors import RedisUnavailable, RefusedByRedis, RefusedCredentials
from hornet.core.grants import Grant, check_grant
from hornet.core.limits import OverLimit
from hornet.core.messages import Delivery
from hornet.core.sessions import AuthState, AuthStep
from hornet.engine import Engine, Handshake
from hornet.flows.auth.authenticator import MESSAGE, Answer, Authenticator, Event, Evidence, Source
from hornet.flows.auth.timeouts import AuthTimeouts
from hornet.flows.auth.tokens import TokenAuthenticator
from hornet.flows.channels.subscriptions import Subscriptions, always
from hornet.flows.sessions.router import Router
from hornet.flows.sessions.sessions import Session, Sessions, SubscribedBy
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import SessionSettings
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

LOGOUT = "user:logout"

Attributes = Callable[[Handshake], Mapping[str, str] | None]


class _Claim(NamedTuple):
    """What a session shows, with the authenticator that took it."""

    by: Authenticator
    claim: Any


class Admission:
    """Lets sessions in, answers them, and takes back what they were given."""

    def __init__(
        self,
        settings: SessionSettings,
        engine: Engine,
        authenticators: Sequence[Authenticator],
        tokens: TokenAuthenticator,
        attributes_of: Attributes,
        sessions: Sessions,
        subscriptions: Subscriptions,
        users: Users,
        signals: Signals,
        metrics: Metrics,
    ) -> None:
        self._engine = engine
        self._deadlines = AuthTimeouts(settings.auth_timeout_s, self._on_auth_timeout)
        self.max_attempts = settings.max_attempts
        """May be replaced at any time."""
        self._authenticators = (*authenticators, tokens)  # tokens last: they are all that nobody else took
        self._events = tuple(dict.fromkeys(event for one in self._authenticators for event in one.events))
        self._who_takes = {
            event: tuple(one for one in self._authenticators if event in ("", MESSAGE, *one.events))
            for event in ("", MESSAGE, *self._events)
        }
        """Whom what is shown by an event is offered to; "" is for what comes without one."""
        self._tokens = tokens
        self._attributes_of = attributes_of
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._users = users
        self._signals = signals
        self._metrics = metrics
        self._checking: dict[Session, object] = {}

    def listen(self, router: Router) -> None:
        """Take the events by which clients show something, and the one by which they take it back."""
        router.on(MESSAGE, self._on_message, needs_authentication=False)
        for event in self._events:
            router.on(event, partial(self._on_event, event), needs_authentication=False)
        router.on(LOGOUT, self._on_logout, needs_authentication=False)

    def begin(self, session: Session) -> Awaitable[object] | None:
        """Start the authentication timeout; use what the request, ``auth`` or the query shows.

        None where there is nothing to wait for, as nothing was shown that has to be checked.
        """
        self._deadlines.start(session)
        handshake = session.handshake
        session.attributes = self._attributes_of(handshake)
        found = self._find(session, Evidence(Source.REQUEST, handshake))
        return self._begin_by(session, found) if isinstance(found, _Claim) else self._begin_by_auth(session)

    async def _begin_by(self, session: Session, found: _Claim) -> None:
        await self._attempt(session, found)
        attempt = self._begin_by_auth(session)
        if attempt is not None:
            await attempt

    def _begin_by_auth(self, session: Session) -> Awaitable[object] | None:
        handshake = session.handshake
        shown: object = handshake.auth
        if not shows_credentials(shown):
            query = query_fields(handshake.query)
            shown = {**query, **shown} if is_object(shown) else query
        try:
            self._engine.set_delivery(session.sid, parse_delivery(shown, Delivery.MESSAGE))
        except RefusedCredentials as refused:
            self._count(refused.code)
            self._answer(session, answers.refusal(refused))
            return None
        found = self._find(session, Evidence(Source.AUTH, handshake, shown))
        return self._attempt(session, found) if isinstance(found, _Claim) else None

    def end(self, session: Session) -> None:
        """The session is over."""
        self._deadlines.stop(session)

    async def admit(self, session: Session, grant: Grant, *, still: Callable[[], bool] = always) -> bool:
        """Give a session what it proved to be entitled to, whatever proved it; it is READY then.

        False when it ended meanwhile, or when ``still()`` says that the proof counts no more: then it has
        nothing of it.

        Raises:
            RefusedCredentials: it is another user's session, or that user has too many; see ``Users.arrive``.
            OverLimit: it would hold more channels than it may.
            RedisUnavailable: its user could not be registered.
            Whichever it is, it has nothing of the grant.
        """
        self._deadlines.stop(session)  # from here on it is not the client who is waited for
        try:
            return await self._admit(session, grant, still)
        finally:
            if session.state in (AuthState.NEW, AuthState.CHECKING):
                self._deadlines.start(session)

    async def redeem(self, session: Session, credentials: Credentials) -> bool:
        """Use a token up for the session, which gets all of it but the channels asked for.

        Those are for the caller to act on. False when the session ended meanwhile.

        Raises:
            RefusedCredentials: the token does not open them; nothing has changed.
            RedisUnavailable: not known whether it was consumed.
        """
        self._checking[session] = credentials
        try:
            grant = await self._tokens.check(credentials)
            if not await self._let_in(session, replace(grant, channels=())):
                return False
        finally:
            self._checking.pop(session, None)
        self._tokens.accepted(session, credentials)
        return True

    def close(self, session: Session, code: str) -> None:
        """Tell a session why and end it for good; a stock client will not come back by itself."""
        self._end_with(session, code, answers.error(code))

    def revoke(self, tokens: frozenset[str]) -> None:
        """Close the sessions of ``tokens``, and those that are just showing one of them."""
        for session in self._sessions.with_tokens(tokens):
            self.close(session, codes.TOKEN_REVOKED)
        for session, claim in list(self._checking.items()):
            if isinstance(claim, Credentials) and claim.token in tokens:
                del self._checking[session]

    async def _admit(self, session: Session, grant: Grant, still: Callable[[], bool]) -> bool:
        arrives = grant.user is not None and session.user is None
        if grant.user is not None:
            await self._users.arrive(session, grant)
        joined = False
        try:
            joined = await self._subscriptions.join(session, grant.channels, SubscribedBy.CLIENT, still=still)
        finally:
            if arrives and not joined:
                self._users.depart(session)
        if not joined:
            return False
        session.publish += tuple(name for name in grant.publish if name not in session.publish)
        if grant.attributes:
            session.attributes = {**(session.attributes or {}), **grant.attributes}
        session.move(AuthStep.GRANTED)
        self._metrics.admitted.inc()
        return True

    async def _on_message(self, session: Session, args: Sequence[object]) -> None:
        """It is answered by an event of the same name; an acknowledgement says nothing more."""
        await self._on_event(MESSAGE, session, args)

    async def _on_event(self, event: str, session: Session, args: Sequence[object]) -> object:
        shown = Evidence(Source.EVENT, session.handshake, args[0] if args else None, event)
        found = self._find(session, shown)
        answer = await self._attempt(session, found) if isinstance(found, _Claim) else found
        return answer or _error(answers.refused(codes.WRONG_PARAMETERS))

    async def _on_logout(self, session: Session, args: Sequence[object]) -> object:
        """The session is as it was when it connected, with the authentication timeout before it."""
        if session.state is AuthState.READY:
            session.move(AuthStep.LOGGED_OUT)
            self._subscriptions.leave_all(session)
            self._signals.logged_out.send(session)
            self._users.depart(session)
            session.publish = ()
            session.attributes = self._attributes_of(session.handshake)
            self._deadlines.start(session)
        return {"ok": True}

    def _find(self, session: Session, shown: Evidence) -> _Claim | Mapping[str, object] | None:
        """The claim that the first authenticator which takes it found in it, still to be checked.

        Or the answer to the event's acknowledgement where that was malformed; None where nobody takes it.
        """
        for authenticator in self._who_takes[shown.event]:
            if session.state is AuthState.CLOSED:
                return None
            try:
                claim = authenticator.offer(shown)
            except RefusedCredentials as refused:
                session.move(AuthStep.ATTEMPTED)
                return self._refuse(session, authenticator, refused)
            if claim is not None:
                session.move(AuthStep.ATTEMPTED)
                return _Claim(authenticator, claim)
        return None

    async def _attempt(self, session: Session, found: _Claim) -> object:
        """Let the authenticator decide; the answer to the event's acknowledgement."""
        if session.state is AuthState.CLOSED:
            return None
        authenticator, claim = found
        self._checking[session] = claim
        try:
            if isinstance(claim, Credentials):
                self._subscriptions.check_room(session, claim.channels)  # before the token is used up
            if not await self._let_in(session, await _check(authenticator, claim)):
                return _error(answers.refused(codes.TOKEN_REVOKED))
        except RefusedCredentials as refused:
            return self._refuse(session, authenticator, refused)
        except OverLimit as limit:
            return self._refuse(session, authenticator, RefusedCredentials(limit.code, limit.detail))
        except RefusedByRedis as error:
            log.debug("Session %s could not be let in: %s", session.sid, error)
            return self._refuse(session, authenticator, answers.refused(codes.REFUSED_BY_REDIS))
        except RedisUnavailable as error:
            log.warning("Session %s could not be checked: %s", session.sid, error)
            return self._refuse(session, authenticator, _unavailable())
        finally:
            self._checking.pop(session, None)
        session.failures = 0
        self._answer(session, authenticator.accepted(session, claim))
        return {"ok": True} if session.user is None else {"ok": True, "user": session.user}

    async def _let_in(self, session: Session, grant: Grant) -> bool:
        """Admit it, unless what it showed was revoked while it was checked: then it is closed."""
        if await self.admit(session, grant, still=lambda: session in self._checking):
            return True
        if session.state is not AuthState.CLOSED:
            self.close(session, codes.TOKEN_REVOKED)
        return False

    def _refuse(
        self, session: Session, authenticator: Authenticator, why: RefusedCredentials
    ) -> Mapping[str, object]:
        if session.move(AuthStep.REFUSED) is not AuthState.CLOSED:
            self._count(why.code)
            self._answer(session, authenticator.refused(why))
            if authenticator.is_limited:
                session.failures += 1
                if session.failures >= self.max_attempts:
                    self._end_with(session, codes.TOO_MANY_ATTEMPTS, authenticator.exhausted())
        return _error(why)

    def _on_auth_timeout(self, session: Session) -> None:
        if session.move(AuthStep.TIMED_OUT) is AuthState.CLOSED:
            self.close(session, codes.AUTHENTICATION_TIMEOUT)

    def _end_with(self, session: Session, code: str, answer: Answer | None) -> None:
        self._count(code)
        self._answer(session, answer)
        session.move(AuthStep.GONE)  # whatever it sent that waits to be handled changes nothing any more
        asyncio.get_running_loop().call_soon(self._engine.disconnect, session.sid)

    def _count(self, code: str) -> None:
        self._metrics.refused.labels(code).inc()

    def _answer(self, session: Session, answer: Answer | None) -> None:
        if isinstance(answer, Event):
            self._engine.send(session.sid, answer.name, answer.argument)
        elif answer is not None:
            self._engine.tell(session.sid, answer)


async def _check(authenticator: Authenticator, claim: Any) -> Grant:
    """Raises:
    RefusedCredentials, RedisUnavailable: as the authenticator says; also for one that fails otherwise, or
        gives what no grant may: it may be somebody else's code.
    """
    try:
        grant = await authenticator.check(claim)
        check_grant(grant)
    except (RefusedCredentials, RedisUnavailable):
        raise
    except Exception:
        log.exception("%s failed", type(authenticator).__name__)
        raise _unavailable() from None
    return grant


def _unavailable() -> RefusedCredentials:
    return RefusedCredentials(codes.UNAVAILABLE, "This can't be checked right now, please try again")


def _error(why: RefusedCredentials) -> dict[str, object]:
    return answers.error_acknowledgement(why.code, why.detail)
