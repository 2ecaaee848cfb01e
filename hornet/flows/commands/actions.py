"""The actions of a command, for the session that called it and on all nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hornet.core.channels import CONTROL_CHANNEL, is_channel_name
from hornet.core.grants import Grant
from hornet.core.sessions import AuthState
from hornet.flows.auth.admission import Admission
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.plugins.interface import NodeInterface
from hornet.flows.presence.service import Presence
from hornet.flows.sessions.sessions import Session, SubscribedBy


class CallerActions:
    """Carries out what a command wants to do; see :class:`hornet.core.commands.Actions`."""

    def __init__(
        self,
        session: Session,
        *,
        node: NodeInterface,
        admission: Admission,
        subscriptions: Subscriptions,
        presence: Presence,
    ) -> None:
        self._session = session
        self._node = node
        self._admission = admission
        self._subscriptions = subscriptions
        self._presence = presence

    def emit(self, event: str, data: object) -> None:
        self._node.emit(self._session.sid, event, data)

    async def publish(
        self,
        channels: str | Iterable[str],
        type: str,
        message: Mapping[str, Any] | None,
        options: Mapping[str, Any] | None,
    ) -> int:
        return await self._node.publish(channels, type, message, options)

    async def members(self, channel: str, limit: int) -> list[dict[str, Any]]:
        return await self._node.members(channel, limit)

    async def notify(self, users: str | int | Iterable[str | int], event: str, payload: object) -> int:
        return await self._node.notify(users, event, payload)

    async def subscribe(self, channel: str) -> bool:
        """Subscribe the session; a command stands in for a credential, so it lets a new session in.

        The session's user may change while Redis is asked: the command did not mean the next one.
        """
        _check_channel(channel)
        session = self._session
        user, was_ready = session.user, session.state is AuthState.READY

        def is_same_user() -> bool:
            return session.user == user and (session.state is AuthState.READY or not was_ready)

        if session.state is AuthState.CLOSED:
            return False
        if was_ready:
            return await self._subscriptions.join(
                session, (channel,), SubscribedBy.CLIENT, is_still_wanted=is_same_user
            )
        return await self._admission.apply(session, Grant(channels=(channel,)), is_still_wanted=is_same_user)

    async def unsubscribe(self, channel: str) -> bool:
        _check_channel(channel)
        session = self._session
        if not session.channels.get(channel, SubscribedBy(0)) & SubscribedBy.CLIENT:
            return False
        is_out = self._subscriptions.leave(session, channel, SubscribedBy.CLIENT)
        self._presence.leave(session, channel)
        return is_out


def _check_channel(channel: str) -> None:
    """Check the name of a channel that a session may have.

    Raises:
        ValueError: no channel name, or the reserved one.
    """
    if not is_channel_name(channel) or channel == CONTROL_CHANNEL:
        raise ValueError(f"{channel!r} is no channel that a session may have")
