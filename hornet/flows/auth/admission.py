"""Admission: from the credentials of a client to a user, channels and rights.

Three steps follow each other, so that no message is missed and no token is used up in vain:

1. **Authenticate**: the evidence is offered to the authenticators in turn. The first that finds a claim in it
   checks the claim, and returns a grant.
2. **Check the grant**: the session may have no other user.
3. **Apply the grant**: the session gets its user, unless that user has too many sessions; this node
   subscribes to the channels on Redis, unless the session has too many, and waits for the confirmation; then
   the session enters the rooms, and is READY.

Only then the client is answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from hornet.core import answers, codes
from hornet.core.channels import NO_NAMES, Names
from hornet.core.credentials import Credentials, is_object, parse_delivery, query_fields, shows_credentials
from hornet.core.errors import RedisUnavailable, RefusedByRedis, RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.limits import OverLimit, check_publishable
from hornet.core.messages import Delivery
from hornet.core.session_records import SessionRecord
from hornet.core.sessions import AuthState, AuthStep
from hornet.engine import Engine, Handshake, PreparedMessage
from hornet.flows.auth.authenticator import MESSAGE, Answer, Authenticator, Claim, Event, Evidence, Source
from hornet.flows.auth.authenticators import Authenticators, uncheckable
from hornet.flows.auth.timeouts import AuthTimeouts
from hornet.flows.auth.tokens import TokenAuthenticator
from hornet.flows.channels.subscriptions import Subscriptions, always
from hornet.flows.recovery.records import SessionRecords
from hornet.flows.sessions.session_log import SessionLog, named_channels
from hornet.flows.sessions.sessions import Session, Sessions, SubscribedBy
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import SessionSettings
from hornet.flows.users.service import Users
from hornet.metrics import Metrics

log = logging.getLogger(__name__)


class Admission:
    """Lets sessions in, answers their clients, and takes grants back."""

    def __init__(
        self,
        *,
        settings: SessionSettings,
        engine: Engine,
        authenticators: Sequence[Authenticator],
        tokens: TokenAuthenticator,
        attributes_of: Callable[[Handshake], Mapping[str, str] | None],
        sessions: Sessions,
        subscriptions: Subscriptions,
        users: Users,
        signals: Signals,
        metrics: Metrics,
        session_log: SessionLog,
        records: SessionRecords,
    ) -> None:
        """Give ``tokens`` the evidence that no other authenticator takes.

        ``attributes_of`` gives a new session its attributes.
        """
        self._authenticators = Authenticators((*authenticators, tokens))
        self.events = self._authenticators.events
        """The events, beside ``message``, that carry evidence."""
        self._engine = engine
        self._timeouts = AuthTimeouts(settings.auth_timeout_s, self._on_timeout)
        self._max_attempts = settings.max_attempts
        self._tokens = tokens
        self._attributes_of = attributes_of
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._users = users
        self._signals = signals
        self._metrics = metrics
        self._session_log = session_log
        self._records = records
        self._connected = PreparedMessage(answers.CONNECTED)
        """Encoded once: almost every session gets it."""
        self._checking: dict[Session, object] = {}
        """The claims that are being checked. A session whose claim is revoked meanwhile is taken out."""

    def configure(self, settings: SessionSettings) -> None:
        """Follow ``settings`` from now on. Only options that are marked as reloadable may differ."""
        self._max_attempts = settings.max_attempts

    async def aclose(self) -> None:
        """Close all authenticators: the node stops."""
        await self._authenticators.aclose()

    # Evidence of the client ----------------------------------------------------------------------

    def begin(self, session: Session) -> Awaitable[object] | None:
        """Start the authentication timeout, and use the evidence of the handshake: request, then ``auth``.

        Returns the checks to await before the session's first event; None where nothing has to be checked,
        which spares the session a task.
        """
        self._timeouts.start(session)
        session.attributes = self._attributes_of(session.handshake)
        claim = self._find_claim(session, Evidence(Source.REQUEST, session.handshake))
        if isinstance(claim, Claim):
            return self._begin_with_request(session, claim)
        return self._begin_with_auth(session)

    async def _begin_with_request(self, session: Session, claim: Claim) -> None:
        await self._attempt(session, claim)
        attempt = self._begin_with_auth(session)
        if attempt is not None:
            await attempt

    def _begin_with_auth(self, session: Session) -> Awaitable[object] | None:
        """Use ``auth``; the query string stands in for an ``auth`` that shows no credentials."""
        handshake = session.handshake
        auth: object = handshake.auth
        if not shows_credentials(auth):
            query = query_fields(handshake.query)
            auth = {**query, **auth} if is_object(auth) else query
        try:
            session.delivery = parse_delivery(auth, Delivery.MESSAGE)
        except RefusedCredentials as refused:
            self._count_refusal(session, refused, named_channels(auth))
            self._answer(session, answers.refusal(refused))
            self._signals.user_authenticated.send(session, False)
            return None
        self._engine.set_delivery(session.sid, session.delivery)
        claim = self._find_claim(session, Evidence(Source.AUTH, handshake, auth))
        return self._attempt(session, claim) if isinstance(claim, Claim) else None

    async def on_message(self, session: Session, args: Sequence[object]) -> None:
        """Use the evidence in event ``message``. An event answers it, so the acknowledgement stays empty."""
        await self.on_event(MESSAGE, session, args)

    async def on_event(self, event: str, session: Session, args: Sequence[object]) -> object:
        """Use the evidence in ``event``, one of :attr:`events`; return the answer to its acknowledgement."""
        evidence = Evidence(Source.EVENT, session.handshake, args[0] if args else None, event)
        claim = self._find_claim(session, evidence)
        answer = await self._attempt(session, claim) if isinstance(claim, Claim) else claim
        return answer or _refusal_answer(answers.refused(codes.WRONG_PARAMETERS))

    async def on_session(self, session: Session, args: Sequence[object]) -> object:
        """Answer whether the session has got in: its handshake was checked before this event."""
        return {"ok": True, "authenticated": session.state is AuthState.READY}

    async def on_logout(self, session: Session, args: Sequence[object]) -> object:
        """Take all grants back from the session, and start its authentication timeout again."""
        if session.state is AuthState.READY:
            session.move(AuthStep.LOGGED_OUT)
            self._subscriptions.leave_all(session)
            self._signals.logged_out.send(session)
            self._users.depart(session)
            session.publish = NO_NAMES
            session.attributes = self._attributes_of(session.handshake)
            self._timeouts.start(session)
        return {"ok": True}

    async def redeem(self, session: Session, credentials: Credentials) -> bool:
        """Use up a token, and give the session all that it grants but the channels.

        The caller subscribes the session to ``credentials.channels``. Returns False when the session ended
        meanwhile.

        Raises:
            RefusedCredentials: the token does not open the channels, and nothing has changed; or the session
                may not have its user, and the token is used up.
            RedisUnavailable: the user could not be registered, or Redis did not answer whether the token
                opens the channels. The token may be used up.
        """
        self._checking[session] = credentials
        try:
            grant = await self._tokens.check(credentials)
            if not await self._apply_unless_revoked(session, replace(grant, channels=())):
                return False
        finally:
            self._checking.pop(session, None)
        self._tokens.accepted(session, credentials)
        return True

    # One attempt ---------------------------------------------------------------------------------

    def _find_claim(self, session: Session, evidence: Evidence) -> Claim | Mapping[str, object] | None:
        """Return the claim that the first authenticator which wants the evidence finds in it.

        None where no authenticator wants it. Where that authenticator finds it malformed, the client is told,
        and the answer to the event's acknowledgement is returned.
        """
        if session.state is AuthState.CLOSED:
            return None
        for authenticator in self._authenticators.offered(evidence):
            try:
                value = authenticator.offer(evidence)
            except RefusedCredentials as refused:
                session.move(AuthStep.ATTEMPTED)
                return self._refuse(session, authenticator, refused, named_channels(evidence.fields))
            if value is not None:
                session.move(AuthStep.ATTEMPTED)
                return Claim(authenticator, value)
        return None

    async def _attempt(self, session: Session, claim: Claim) -> object:
        """Authenticate, apply the grant, and tell the client; return the answer to the acknowledgement."""
        if session.state is AuthState.CLOSED:
            return None
        authenticator, value = claim
        channels = value.channels if isinstance(value, Credentials) else ()
        self._checking[session] = value
        try:
            grant = await self._authenticate(session, claim)
            await self._records.expect(session, grant, value)
            if not await self._apply_unless_revoked(session, grant):
                return _refusal_answer(answers.refused(codes.TOKEN_REVOKED))
        except RefusedCredentials as refused:
            return self._refuse(session, authenticator, refused, channels)
        except OverLimit as limit:
            return self._refuse(
                session, authenticator, RefusedCredentials(limit.code, limit.detail), channels
            )
        except RefusedByRedis as error:
            log.debug("Session %s could not be let in: %s", session.sid, error)
            return self._refuse(session, authenticator, answers.refused(codes.REFUSED_BY_REDIS), channels)
        except RedisUnavailable as error:
            self._session_log.failed(session, "An attempt to authenticate", error)
            return self._refuse(session, authenticator, uncheckable(), channels)
        finally:
            self._checking.pop(session, None)
        session.failures = 0
        self._answer(session, authenticator.accepted(session, value))
        self._signals.user_authenticated.send(session, True)
        return {"ok": True} if session.user is None else {"ok": True, "user": session.user}

    async def _authenticate(self, session: Session, claim: Claim) -> Grant:
        """Return the grant for the claim.

        Raises:
            RefusedCredentials, RedisUnavailable: as :meth:`Authenticators.check`.
            OverLimit: the session would hold too many channels; its token is not used up.
        """
        if isinstance(claim.value, Credentials):
            self._subscriptions.check_room(session, claim.value.channels)
        return await self._authenticators.check(claim)

    def _check_grant(self, session: Session, grant: Grant) -> None:
        """Check that the session may have the grant.

        Raises:
            RefusedCredentials: the session has another user, who has not logged out.
            OverLimit: the session could publish on too many channels.
        """
        if grant.user is not None and session.user not in (None, grant.user):
            raise RefusedCredentials(codes.OTHER_USER, "log out before you show who else you are")
        if grant.publish:
            check_publishable(session.publish, grant.publish)

    async def apply(
        self, session: Session, grant: Grant, *, is_still_wanted: Callable[[], bool] = always
    ) -> bool:
        """Check the grant and give it to the session, which is READY then.

        A session that is refused and has nothing yet gets the whole authentication timeout again.

        Returns False, and gives nothing, when the session ended meanwhile, or when ``is_still_wanted()`` says
        at the end that the proof does not count any more.

        Raises:
            RefusedCredentials: the session has another user, or the user has too many sessions.
            OverLimit: the session would hold too many channels, or could publish on too many.
            RedisUnavailable: the user could not be registered, or a channel not be subscribed to.
            After each of these the session has nothing of the grant.
        """
        self._timeouts.stop(session)  # the client did its part: from here on it waits for Hornet
        try:
            self._check_grant(session, grant)
            return await self._give(session, grant, is_still_wanted)
        finally:
            if session.state in (AuthState.NEW, AuthState.CHECKING):
                self._timeouts.start(session)

    async def _give(self, session: Session, grant: Grant, is_still_wanted: Callable[[], bool]) -> bool:
        is_new_user = grant.user is not None and session.user is None
        if grant.user is not None:
            await self._users.arrive(session, grant)
        is_joined = False
        try:
            is_joined = await self._subscriptions.join(
                session, grant.channels, SubscribedBy.CLIENT, is_still_wanted=is_still_wanted
            )
        finally:
            if is_new_user and not is_joined:
                self._users.depart(session)
        if not is_joined:
            return False
        if grant.publish:
            session.publish |= grant.publish
        if grant.attributes:
            session.attributes = {**(session.attributes or {}), **grant.attributes}
        self._let_in(session)
        return True

    def restore(self, session: Session, record: SessionRecord) -> None:
        """Let a session in that came back, with its rights; the caller gives it its user and its channels."""
        attributes = {**(self._attributes_of(session.handshake) or {}), **(record.attributes or {})}
        session.attributes = attributes or None
        session.publish = Names(record.publish)
        for token, channels in record.tokens.items():
            self._sessions.remember_token(session, token, channels)
        session.delivery = record.delivery
        self._engine.set_delivery(session.sid, record.delivery)
        self._let_in(session)

    def _let_in(self, session: Session) -> None:
        if session.state is not AuthState.READY:
            self._session_log.admitted(session, session.channels)
        session.move(AuthStep.GRANTED)
        self._engine.admit(session.sid)
        self._metrics.admitted.inc()

    async def _apply_unless_revoked(self, session: Session, grant: Grant) -> bool:
        """Apply the grant; close the session instead if its claim was revoked while it was checked."""
        if await self.apply(session, grant, is_still_wanted=lambda: session in self._checking):
            return True
        if session.state is not AuthState.CLOSED:
            self.close(session, codes.TOKEN_REVOKED)
        return False

    def _refuse(
        self,
        session: Session,
        authenticator: Authenticator,
        refused: RefusedCredentials,
        channels: tuple[str, ...],
    ) -> Mapping[str, object]:
        """Tell the client, which asked for ``channels``; close the session after too many failed attempts."""
        self._records.undo(session)
        if session.move(AuthStep.REFUSED) is not AuthState.CLOSED:
            self._count_refusal(session, refused, channels)
            self._answer(session, authenticator.refused(refused))
            self._signals.user_authenticated.send(session, False)
            if authenticator.is_limited:
                session.failures += 1
                if 0 < self._max_attempts <= session.failures:
                    self._close_with(session, codes.TOO_MANY_ATTEMPTS, authenticator.exhausted())
        return _refusal_answer(refused)

    # How sessions end ----------------------------------------------------------------------------

    def end(self, session: Session) -> None:
        """Forget a session that ended."""
        self._timeouts.stop(session)

    def close(self, session: Session, code: str) -> None:
        """Tell the client why, and disconnect it. A stock client does not reconnect by itself then."""
        self._close_with(session, code, answers.error(code))

    def revoke(self, tokens: frozenset[str]) -> None:
        """Close the sessions that one of ``tokens`` let in, and those for which one is being checked."""
        for session in self._sessions.with_tokens(tokens):
            self.close(session, codes.TOKEN_REVOKED)
        for session, value in list(self._checking.items()):
            if isinstance(value, Credentials) and value.token in tokens:
                del self._checking[session]

    def _on_timeout(self, session: Session) -> None:
        if session.move(AuthStep.TIMED_OUT) is AuthState.CLOSED:
            self.close(session, codes.AUTHENTICATION_TIMEOUT)

    def _close_with(self, session: Session, code: str, answer: Answer | None) -> None:
        self._count(code)
        session.end_code = session.end_code or code
        self._answer(session, answer)
        session.move(AuthStep.GONE)  # events that still wait to be handled must change nothing
        asyncio.get_running_loop().call_soon(self._engine.disconnect, session.sid)

    def _count(self, code: str) -> None:
        self._metrics.refused.labels(code).inc()

    def _count_refusal(
        self, session: Session, refused: RefusedCredentials, channels: tuple[str, ...]
    ) -> None:
        self._count(refused.code)
        self._session_log.refused(session, refused.code, refused.channels or channels)

    def _answer(self, session: Session, answer: Answer | None) -> None:
        if isinstance(answer, Event):
            self._engine.send(session.sid, answer.name, answer.argument)
        elif answer is answers.CONNECTED:
            self._engine.tell(session.sid, self._records.connected(session) or self._connected)
        elif answer is not None:
            self._engine.tell(session.sid, answer)


def _refusal_answer(refused: RefusedCredentials) -> dict[str, object]:
    return answers.error_acknowledgement(refused.code, refused.detail)
