"""Channels that clients subscribe to by name, and the proof that each kind of channel takes.

A token opens any channel that it names. A private channel opens to a signature of the backend, and a public
channel to every session that is READY. Tokens and signatures are credentials: they also let a new session in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

from hornet.core import codes
from hornet.core.channels import Kind, Names, check_channel, kind_of
from hornet.core.credentials import Credentials
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.limits import Throttle
from hornet.core.past import Rewind, parse_rewind
from hornet.core.presence import Member, parse_member
from hornet.core.sessions import AuthState
from hornet.core.signatures import is_signed
from hornet.core.tokens import is_token
from hornet.engine import Engine, FollowedAnswer, SharedAnswer
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.history import ChannelHistory
from hornet.flows.channels.rewinding import Past, Rewinding
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.presence.service import Presence
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session, SubscribedBy
from hornet.flows.sessions.turns import TurnLimiter
from hornet.flows.settings import ChannelSettings

log = logging.getLogger(__name__)

WARN_EVERY_S = 60.0

SUBSCRIPTIONS_PER_TURN = 64
"""Requests that are handled in one turn of the event loop: some 10 ms."""


class Channels:
    """Subscribes sessions to channels by name."""

    def __init__(
        self,
        *,
        settings: ChannelSettings,
        admission: Admission,
        subscriptions: Subscriptions,
        presence: Presence,
        engine: Engine,
        history: ChannelHistory,
        rewinding: Rewinding,
    ) -> None:
        self._public: Names
        self._secrets: tuple[str, ...]
        self._warnings = Throttle(WARN_EVERY_S)
        self.configure(settings)
        self._admission = admission
        self._subscriptions = subscriptions
        self._presence = presence
        self._engine = engine
        self._history = history
        self._rewinding = rewinding
        self._turns = TurnLimiter(SUBSCRIPTIONS_PER_TURN)

    def configure(self, settings: ChannelSettings) -> None:
        """Follow ``settings`` from now on. Sessions stay in the channels that they are in."""
        self._public = Names(settings.public_channels)
        self._secrets = settings.channel_secrets

    async def subscribe(
        self, session: Session, request: Mapping[str, object]
    ) -> Mapping[str, object] | SharedAnswer | FollowedAnswer:
        """Answer ``hornet:subscribe`` with ``{"channel"}``, a proof, and perhaps ``rewind`` or ``since``.

        The proof is ``signature``, with which ``presence`` may come, or ``token``. Messages on the channel
        reach the session from now on, behind those that ``rewind`` or ``since`` ask for. A channel that the
        session has already needs no proof again.

        Raises:
            PeerError: ``BAD_CHANNEL``, ``TOO_MANY_CHANNELS``, ``SIGNATURE_REQUIRED``, ``BAD_SIGNATURE``,
                ``NO_CHANNEL_SECRET``, ``BAD_PRESENCE``, ``NOT_AUTHENTICATED``, ``FORBIDDEN``,
                ``SESSION_ENDED``, ``WRONG_PARAMETERS``, ``BAD_POSITION``, ``RATE_LIMITED``, or what is wrong
                with the token; nothing has changed.
            RedisUnavailable: the token could not be checked.
        """
        await self._turns.wait()
        channel = check_channel(request.get("channel"))
        rewind = parse_rewind(request)
        self._subscriptions.check_room(session, (channel,))
        if rewind is not None:
            self._history.check_pace(session)
        was_subscribed = self._is_subscribed(session, channel)
        member = await self._prove(session, channel, request, was_subscribed=was_subscribed)
        past = None if rewind is None else await self._rewinding.enter(session, channel, rewind)
        answer = self._answer(channel, rewind, past)
        if member is None:
            return answer if past is None else FollowedAnswer(answer, partial(self._tell, session, past))
        if past is not None:
            self._tell(session, past)
        try:
            joined = await self._presence.join(session, channel, member)
        except BaseException:
            if not was_subscribed:
                self._subscriptions.leave(session, channel, SubscribedBy.CLIENT)
            raise
        if past is None or not isinstance(joined.value, Mapping):
            return joined
        return {**joined.value, **answer}

    async def _prove(
        self, session: Session, channel: str, request: Mapping[str, object], *, was_subscribed: bool
    ) -> Member | None:
        """Put the session into the channel by the proof in its request; return the member that it describes.

        Nothing is awaited after the session has entered the room.
        """
        signature, presence, token = (request.get(name) for name in ("signature", "presence", "token"))
        if signature is not None:
            member = self._check_signature(session, channel, signature, presence)
            await self._admit(session, channel)
            return member
        if presence is not None:
            raise RefusedEvent(codes.SIGNATURE_REQUIRED, "Presence data is signed together with the channel")
        if token is not None:
            await self._redeem(session, channel, token)
        elif not was_subscribed:
            self._check_public(session, channel)
            await self._join(session, channel)
        return None

    def _answer(self, channel: str, rewind: Rewind | None, past: Past | None) -> dict[str, object]:
        """Return the answer to a session that is in the room, with how far its messages go then."""
        answer: dict[str, object] = {"ok": True, "channel": channel}
        if self._engine.offset:
            answer["position"] = self._engine.offset
        if past is not None and rewind is not None and (rewind.since or not past.is_whole):
            answer["recovered"] = past.is_whole
        return answer

    def _tell(self, session: Session, past: Past) -> None:
        for message in past.messages:
            self._engine.tell(session.sid, message)

    async def unsubscribe(self, session: Session, request: Mapping[str, object]) -> Mapping[str, object]:
        """Answer ``hornet:unsubscribe`` with ``{"channel"}``, for a subscription by any proof.

        The session stays in a channel to which the backend subscribed its user; ``subscribed`` in the answer
        says so.

        Raises:
            PeerError: ``BAD_CHANNEL`` or ``NOT_SUBSCRIBED``.
        """
        channel = check_channel(request.get("channel"))
        if not self._is_subscribed(session, channel):
            raise RefusedEvent(codes.NOT_SUBSCRIBED, "The session is not subscribed to this channel")
        is_out = self._subscriptions.leave(session, channel, SubscribedBy.CLIENT)
        self._presence.leave(session, channel)
        return {"ok": True, "channel": channel, "subscribed": not is_out}

    def _is_subscribed(self, session: Session, channel: str) -> bool:
        return bool(session.channels.get(channel, SubscribedBy(0)) & SubscribedBy.CLIENT)

    def _check_public(self, session: Session, channel: str) -> None:
        """Check that the session may have the channel without any proof.

        Raises:
            RefusedEvent: the channel is not public, or the session is not READY.
        """
        kind = kind_of(channel, self._public)
        if kind is Kind.PRIVATE:
            raise RefusedEvent(codes.SIGNATURE_REQUIRED, "A private channel takes a signature of the backend")
        if session.state is not AuthState.READY:
            raise RefusedEvent(codes.NOT_AUTHENTICATED)
        if kind is not Kind.PUBLIC:
            raise RefusedEvent(codes.FORBIDDEN, "The channel is not public: a token that names it is needed")

    def _check_signature(
        self, session: Session, channel: str, signature: object, presence: object
    ) -> Member | None:
        """Return the member that the signed presence data describe, or None without such data.

        Raises:
            PeerError: ``NO_CHANNEL_SECRET``, ``BAD_SIGNATURE``, or ``BAD_PRESENCE``.
        """
        if kind_of(channel, self._public) is not Kind.PRIVATE:
            raise RefusedEvent(
                codes.BAD_SIGNATURE, "Only channels whose names begin with 'private-' are signed"
            )
        if not isinstance(signature, str) or not (presence is None or isinstance(presence, str)):
            raise RefusedEvent(codes.BAD_SIGNATURE, "'signature' and 'presence' are texts")
        if not self._secrets:
            self._warn_of_no_secret()
            raise RefusedEvent(codes.NO_CHANNEL_SECRET)
        if not is_signed(signature, self._secrets, session.sid, channel, presence):
            raise RefusedEvent(
                codes.BAD_SIGNATURE,
                "The signature is not for this session and this channel, or was made with another secret",
            )
        return None if presence is None else parse_member(presence, session.user or session.sid)

    def _warn_of_no_secret(self) -> None:
        """Warn the operator, at most once in ``WARN_EVERY_S``: each client tries again."""
        if self._warnings.is_due(asyncio.get_running_loop().time()):
            log.warning(
                "A client shows a signature for a private channel, but no secret is configured to check it: "
                "set channel_secrets to the secret of your backend"
            )

    async def _admit(self, session: Session, channel: str) -> None:
        """Let the session in by a valid signature, which is a credential like a token."""
        if not await self._admission.apply(session, Grant(channels=(channel,))):
            raise _session_ended()

    async def _redeem(self, session: Session, channel: str, token: object) -> None:
        if not is_token(token):
            raise RefusedEvent(codes.WRONG_PARAMETERS, "'token' is no token")
        try:
            is_admitted = await self._admission.redeem(session, Credentials(token, (channel,)))
        except RefusedCredentials as refused:
            raise RefusedEvent(refused.code, codes.MESSAGES[refused.code].sentence) from None
        if not is_admitted:
            raise _session_ended()
        await self._join(session, channel)

    async def _join(self, session: Session, channel: str) -> None:
        if not await self._subscriptions.join(session, (channel,), SubscribedBy.CLIENT):
            raise _session_ended()


def _session_ended() -> RefusedEvent:
    return RefusedEvent(codes.SESSION_ENDED)
