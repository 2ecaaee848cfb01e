"""The channels of sessions: how a session joins one, and how it leaves.

Joining always takes the same steps, so that no message is missed: this node subscribes to the channel on
Redis, Redis confirms that, and only then the session enters the room and its client is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

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

    def __init__(
        self, *, engine: Engine, subscriber: Subscriber, signals: Signals, limits: LimitSettings
    ) -> None:
        self._engine = engine
        self._subscriber = subscriber
        self._signals = signals
        self._limits = limits

    def configure(self, limits: LimitSettings) -> None:
        """Follow ``limits`` from now on. A session that is over a new limit keeps its channels."""
        self._limits = limits

    async def join(
        self,
        session: Session,
        channels: Collection[str],
        by: SubscribedBy,
        *,
        is_still_wanted: Callable[[], bool] = always,
    ) -> bool:
        """Subscribe the session to each of ``channels``, and return when Redis has confirmed that.

        Returns False, and changes nothing, when the session ended meanwhile, or when ``is_still_wanted()`` is
        False at the end.

        Raises:
            OverLimit: the client wants more channels than a session may have; nothing has changed.
            RedisUnavailable: Redis has been away for too long; nothing has changed.
            RefusedByRedis: Redis does not permit this node to subscribe to a channel; nothing has changed.
        """
        if by is SubscribedBy.CLIENT:
            self.check_room(session, channels)
        topics = [channel_topic(channel) for channel in channels]
        confirmations = [self._subscriber.subscribe(topic) for topic in topics]
        try:
            if pending := [each for each in confirmations if not each.done() or each.exception()]:
                await asyncio.gather(*pending)
        except BaseException:
            self._release(topics)
            raise
        if session.state is AuthState.CLOSED or not is_still_wanted():
            self._release(topics)
            return False
        for channel, topic in zip(channels, topics, strict=True):
            self._enter(session, channel, topic, by)
        return True

    def check_room(self, session: Session, channels: Collection[str]) -> None:
        """Check that the session has room for ``channels``.

        Raises:
            OverLimit: with them it would hold more channels than it may.
        """
        added = [channel for channel in channels if channel not in session.channels]
        check_channels(session.channels, added, self._limits.max_channels_per_session)

    def restore(self, session: Session, channels: Mapping[str, SubscribedBy]) -> None:
        """Put a session that came back into its channels at once.

        This node is subscribed to their topics already; the session takes these subscriptions over.
        """
        for channel, by in channels.items():
            self._enter(session, channel, channel_topic(channel), by)

    def leave(self, session: Session, channel: str, by: SubscribedBy) -> bool:
        """Undo the subscription by ``by``; return True if the session thereby left the channel."""
        remaining = session.channels.get(channel)
        if remaining is None:
            return False
        remaining &= ~by
        if remaining:
            session.channels[channel] = remaining
            return False
        del session.channels[channel]
        self._engine.leave(session.sid, room_of(channel))
        self._subscriber.unsubscribe(channel_topic(channel))
        self._signals.left.send(session, channel)
        return True

    def leave_all(self, session: Session) -> None:
        """Take the session out of all its channels."""
        for channel in tuple(session.channels):
            self.leave(session, channel, SubscribedBy.CLIENT | SubscribedBy.BACKEND)

    def _enter(self, session: Session, channel: str, topic: str, by: SubscribedBy) -> None:
        if channel in session.channels:
            session.channels[channel] |= by
            self._subscriber.unsubscribe(topic)  # the session's first subscription holds the topic already
            return
        session.channels[channel] = by
        self._engine.enter(session.sid, room_of(channel))
        self._signals.joined.send(session, channel)

    def _release(self, topics: Collection[str]) -> None:
        for topic in topics:
            self._subscriber.unsubscribe(topic)
