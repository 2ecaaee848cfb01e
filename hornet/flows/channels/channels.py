"""Named channels that clients subscribe to by an event: what it takes, by the kind of the channel.

A token opens any channel that it names. A private channel opens to a signature of the backend, a public one
to every session that is in. A signature and a token are valid credentials: they let a new session in.
"""

from __future__ import annotations

from collections.abc import Mapping

from hornet.core import codes
from hornet.core.channels import Kind, Names, check_channel, kind_of
from hornet.core.credentials import Credentials
from hornet.core.errors import RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.presence import Member, as_json, parse_member
from hornet.core.sessions import AuthState
from hornet.core.signatures import is_signed
from hornet.core.tokens import is_token
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.presence.service import Presence
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session, SubscribedBy
from hornet.flows.settings import ChannelSettings


class Channels:
    """Subscribes sessions to channels by name."""

    def __init__(
        self,
        *,
        settings: ChannelSettings,
        admission: Admission,
        subscriptions: Subscriptions,
        presence: Presence,
    ) -> None:
        self._public: Names
        self._secrets: tuple[str, ...]
        self.configure(settings)
        self._admission = admission
        self._subscriptions = subscriptions
        self._presence = presence

    def configure(self, settings: ChannelSettings) -> None:
        """Let in by these settings from now on. Who is in a channel stays in it."""
        self._public = Names(settings.public_channels)
        self._secrets = settings.channel_secrets

    async def subscribe(self, session: Session, shown: Mapping[str, object]) -> Mapping[str, object]:
        """Answer ``{"channel", "signature"?, "presence"?, "token"?}``: the session hears it from now on.

        A channel that the session has needs no proof again.

        Raises:
            PeerError: one of the codes above, ``BAD_CHANNEL``, ``BAD_PRESENCE``, ``TOO_MANY_CHANNELS``, or
                what is wrong with the token; nothing has changed.
            RedisUnavailable: the token could not be checked.
        """
        channel = check_channel(shown.get("channel"))
        self._subscriptions.check_room(session, (channel,))
        had_it = self._is_subscribed(session, channel)
        signature, presence = shown.get("signature"), shown.get("presence")
        member: Member | None = None
        if signature is not None:
            member = self._check_signature(session, channel, signature, presence)
            await self._let_in(session, channel)
        elif presence is not None:
            raise RefusedEvent(codes.SIGNATURE_REQUIRED, "Presence data is signed together with the channel")
        elif shown.get("token") is not None:
            await self._redeem(session, channel, shown["token"])
        elif not had_it:
            self._check_open(session, channel)
            await self._let_in(session, channel)
        answer: dict[str, object] = {"ok": True, "channel": channel}
        if member is not None:
            try:
                answer["members"] = as_json(await self._presence.join(session, channel, member))
            except BaseException:
                if not had_it:
                    self._subscriptions.leave(session, channel, SubscribedBy.CLIENT)
                raise
        return answer

    async def unsubscribe(self, session: Session, shown: Mapping[str, object]) -> Mapping[str, object]:
        """Answer ``{"channel"}``: the session wants it no more, whatever opened it.

        Where its user was subscribed by the backend, it goes on to hear the channel; ``subscribed`` says so.

        Raises:
            PeerError: ``BAD_CHANNEL`` or ``NOT_SUBSCRIBED``.
        """
        channel = check_channel(shown.get("channel"))
        if not self._is_subscribed(session, channel):
            raise RefusedEvent(codes.NOT_SUBSCRIBED, "The session is not subscribed to this channel")
        is_out = self._subscriptions.leave(session, channel, SubscribedBy.CLIENT)
        self._presence.leave(session, channel)
        return {"ok": True, "channel": channel, "subscribed": not is_out}

    def _is_subscribed(self, session: Session, channel: str) -> bool:
        return bool(session.channels.get(channel, SubscribedBy(0)) & SubscribedBy.CLIENT)

    def _check_open(self, session: Session, channel: str) -> None:
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
        """Return the member that the signed presence data describe, or None without such data."""
        if kind_of(channel, self._public) is not Kind.PRIVATE:
            raise RefusedEvent(
                codes.BAD_SIGNATURE, "Only channels whose names begin with 'private-' are signed"
            )
        if not isinstance(signature, str) or not (presence is None or isinstance(presence, str)):
            raise RefusedEvent(codes.BAD_SIGNATURE, "'signature' and 'presence' are texts")
        if not is_signed(signature, self._secrets, session.sid, channel, presence):
            raise RefusedEvent(codes.BAD_SIGNATURE, "The signature is not for this session and this channel")
        return None if presence is None else parse_member(presence, session.user)

    async def _let_in(self, session: Session, channel: str) -> None:
        if not await self._admission.admit(session, Grant(channels=(channel,))):
            raise _session_ended()

    async def _redeem(self, session: Session, channel: str, token: object) -> None:
        if not is_token(token):
            raise RefusedEvent(codes.WRONG_PARAMETERS, "'token' is no token")
        try:
            is_in = await self._admission.redeem(session, Credentials(token, (channel,)))
        except RefusedCredentials as refused:
            raise RefusedEvent(refused.code, codes.MESSAGES[refused.code].sentence) from None
        if not is_in or not await self._subscriptions.join(session, (channel,), SubscribedBy.CLIENT):
            raise _session_ended()


def _session_ended() -> RefusedEvent:
    return RefusedEvent(codes.SESSION_ENDED)
