"""Which channels a session holds, and for whose sake.

The road into a channel is always the same, and misses no message: this node hears the channel on Redis, and
that is confirmed, before the session enters the room and is told so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from hornet.broker.keys import channel_topic
from hornet.broker.subscriber import Subscriber
from hornet.core.limits import check_channels
from hornet.core.sessions import AuthState
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of
from hornet.flows.sessions.sessions import Session, SubscribedBy
from hornet.flows.sessions.signals import Signals
from hornet.flows.settings import LimitSettings


def always() -> bool:
    return True


class Subscriptions:
    """Puts sessions of this node into channels, and takes them out."""

    def __init__(self, engine: Engine, listener: Subscriber, signals: Signals, limits: LimitSettings) -> None:
        self._engine = engine
        self._listener = listener
        self._signals = signals
        self.limits = limits
        """May be replaced at any time."""

    async def join(
        self,
        session: Session,
        channels: Collection[str],
        by: SubscribedBy,
        *,
        still: Callable[[], bool] = always,
    ) -> bool:
        """Subscribe the session to each of ``channels``; waits until Redis has confirmed it.

        False when the session ended meanwhile, or when ``still()`` says at the end that it is not wanted
        any more: then nothing has changed.

        Raises:
            OverLimit: the client wants more than a session may have; nothing has changed.
            RedisUnavailable: Redis has been away for too long; nothing has changed.
            RefusedByRedis: this node may not listen on one of them; nothing has changed.
        """
        if by is SubscribedBy.CLIENT:
            self.check_room(session, channels)
        topics = [channel_topic(channel) for channel in channels]
        confirmations = [self._listener.hold(topic) for topic in topics]
        try:
            if waits := [one for one in confirmations if not one.done() or one.exception()]:
                await asyncio.gather(*waits)
        except BaseException:
            self._release(topics)
            raise
        if session.state is AuthState.CLOSED or not still():
            self._release(topics)
            return False
        for channel, topic in zip(channels, topics, strict=True):
            self._enter(session, channel, topic, by)
        return True

    def check_room(self, session: Session, channels: Collection[str]) -> None:
        """Raises:
        OverLimit: with ``channels`` the session would hold more than it may.
        """
        added = [channel for channel in channels if channel not in session.channels]
        check_channels(session.channels, added, self.limits.max_channels_per_session)

    def leave(self, session: Session, channel: str, by: SubscribedBy) -> bool:
        """The session holds the channel no more for this sake; True when it is out of it now."""
        reasons = session.channels.get(channel)
        if reasons is None:
            return False
        reasons &= ~by
        if reasons:
            session.channels[channel] = reasons
            return False
        del session.channels[channel]
        self._engine.leave(session.sid, room_of(channel))
        self._listener.release(channel_topic(channel))
        self._signals.left.send(session, channel)
        return True

    def leave_all(self, session: Session) -> None:
        """Take the session out of all its channels."""
        for channel in tuple(session.channels):
            self.leave(session, channel, SubscribedBy.CLIENT | SubscribedBy.BACKEND)

    def _enter(self, session: Session, channel: str, topic: str, by: SubscribedBy) -> None:
        if channel in session.channels:
            session.channels[channel] |= by
            self._listener.release(topic)  # it holds it already
            return
        session.channels[channel] = by
        self._engine.enter(session.sid, room_of(channel))
        self._signals.joined.send(session, channel)

    def _release(self, topics: Collection[str]) -> None:
        for topic in topics:
            self._listener.release(topic)
