"""Presence: a session becomes a member of a channel, gets the list of members, and then every change to it.

Each channel with a member on this node has a :class:`~hornet.flows.presence.channel.PresenceChannel`, which
does the work. This module finds the channel for a request of a session, a notice of another node, or an event
in the life of this node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from hornet.broker.keys import presence_channel_of, presence_key
from hornet.broker.presence import PresenceStore, parse_notice
from hornet.broker.subscriber import Subscriber
from hornet.core import codes
from hornet.core.presence import Member
from hornet.engine import Engine, SharedAnswer
from hornet.flows.channels.rooms import presence_room
from hornet.flows.presence.channel import PresenceChannel
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Activity, Session
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

STOP_S = 2.0
"""How long :meth:`Presence.stop` waits until Redis knows that the members of this node have left."""


class Presence:
    """The presence channels of this node."""

    def __init__(
        self,
        *,
        settings: ChannelSettings,
        engine: Engine,
        store: PresenceStore,
        subscriber: Subscriber,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._subscriber = subscriber
        self._metrics = metrics
        self._channels: dict[str, PresenceChannel] = {}

    def configure(self, settings: ChannelSettings) -> None:
        """Follow ``settings`` from now on. Members that are present stay."""
        self._settings = settings

    # Sessions ------------------------------------------------------------------------------------

    async def join(self, session: Session, channel: str, member: Member) -> SharedAnswer:
        """Make a session that is in ``channel`` present as ``member``; return the answer with the members.

        Waits for the next batch. The caller must send the answer without waiting for anything else: the
        changes that follow it are already on their way to the session.

        Raises:
            RefusedEvent: ``TOO_MANY_MEMBERS``; ``RATE_LIMITED`` for a member that joins again and again; or
                ``SESSION_ENDED`` if the session left meanwhile.
            RedisUnavailable: the session could not be made present.
        """
        if self._is_member(session, channel):
            self._check_pace(session)
        presence_channel = self._channels.get(channel)
        if presence_channel is None:
            presence_channel = self._channels[channel] = self._open(channel)
        answer = presence_channel.join(session, member)
        try:
            return await answer
        except asyncio.CancelledError:
            self.leave(session, channel)
            raise

    def leave(self, session: Session, channel: str) -> None:
        """Make the session absent from ``channel``; does nothing if it is no member."""
        presence_channel = self._channels.get(channel)
        if presence_channel is not None:
            presence_channel.leave(session)

    def linger(self, session: Session, channel: str, grace_s: float) -> None:
        """Keep the member of a session that lost its connection; does nothing if it is no member."""
        presence_channel = self._channels.get(channel)
        if presence_channel is not None:
            presence_channel.linger(session, grace_s)

    def take_back(self, session: Session, channel: str, former: str, member: Member | None = None) -> None:
        """Make a session that came back the member that session ``former`` is, and send it the members.

        Without ``member``, ``former`` is a session of this node, and may be no member.
        """
        presence_channel = self._channels.get(channel)
        if presence_channel is None:
            if member is None:
                return
            presence_channel = self._channels[channel] = self._open(channel)
        presence_channel.take_back(session, former, member)

    async def on_presence(self, session: Session, args: Sequence[object]) -> SharedAnswer:
        """Answer event ``hornet:presence``, ``{"channel", "after"?, "limit"?}``, of a member.

        Without ``after`` the answer has the listed members; with it, a page of all members by their ids.

        Raises:
            RefusedEvent: ``WRONG_PARAMETERS``, ``NOT_A_MEMBER`` or ``RATE_LIMITED``.
        """
        request = args[0] if args else None
        channel = request.get("channel") if isinstance(request, Mapping) else None
        if not isinstance(request, Mapping) or not isinstance(channel, str):
            raise RefusedEvent(codes.WRONG_PARAMETERS, "The argument is no object with 'channel'")
        most = self._settings.max_listed_members
        after, limit = request.get("after"), request.get("limit", most)
        if not (after is None or isinstance(after, str)):
            raise RefusedEvent(
                codes.WRONG_PARAMETERS, "'after' is no text: it is the 'next' of an answer, or ''"
            )
        if type(limit) is not int or limit < 1:
            raise RefusedEvent(codes.WRONG_PARAMETERS, "'limit' is no number from 1 on")
        if not self._is_member(session, channel):
            raise RefusedEvent(codes.NOT_A_MEMBER)
        self._check_pace(session)
        presence_channel = self._channels[channel]
        return presence_channel.listed() if after is None else presence_channel.page(after, min(limit, most))

    def _is_member(self, session: Session, channel: str) -> bool:
        """Return whether the changes of ``channel`` are announced to the session."""
        return channel in self._channels and session.sid in self._engine.members(presence_room(channel))

    def _check_pace(self, session: Session) -> None:
        """Check that the session does not ask for lists too often: each is long, and goes over the wire.

        Raises:
            RefusedEvent: ``RATE_LIMITED``.
        """
        per_s = self._settings.max_presence_rate
        if not session.may(Activity.PRESENCE, per_s, asyncio.get_running_loop().time()):
            raise RefusedEvent(
                codes.RATE_LIMITED, f"A session gets {per_s:g} lists of members a second at most"
            )

    # Other nodes ---------------------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Apply one notice: a change that some node wrote. A malformed notice is dropped and counted."""
        presence_channel = self._channels.get(presence_channel_of(topic))
        if presence_channel is None:
            return
        try:
            presence_channel.apply(parse_notice(payload))
        except ValueError as error:
            self._metrics.dropped.labels(codes.BAD_NOTICE).inc()
            log.warning("Dropped a publish of %d bytes on %r: %s", len(payload), topic, error)

    async def remove_dead_node(self, node: str) -> None:
        """Take out all members that a dead node made present. May run again for the same node.

        Raises:
            RedisUnavailable: some may be left.
        """
        await self._store.remove_dead_node(node)

    # The life of this node -----------------------------------------------------------------------

    async def restore(self) -> None:
        """Write all members of this node again, because Redis has no trace of this node."""
        for presence_channel in self._channels.values():
            presence_channel.write_again()

    def read_again(self) -> None:
        """Read the members of every channel again, because this node may have missed notices."""
        for presence_channel in self._channels.values():
            presence_channel.read_again()

    async def stop(self) -> None:
        """Write the last changes to Redis, for ``STOP_S`` at most, and end."""
        for presence_channel in self._channels.values():
            presence_channel.end_lingering()
        workers = [
            presence_channel.worker
            for presence_channel in self._channels.values()
            if presence_channel.worker is not None
        ]
        if workers:
            _, late = await asyncio.wait(workers, timeout=STOP_S)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for presence_channel in self._channels.values():
            presence_channel.close()

    def _open(self, channel: str) -> PresenceChannel:
        return PresenceChannel(
            name=channel,
            subscribed=self._subscriber.subscribe(presence_key(channel)),
            engine=self._engine,
            store=self._store,
            settings=lambda: self._settings,
            on_end=self._close,
        )

    def _close(self, presence_channel: PresenceChannel) -> None:
        """Forget a channel in which no session of this node is present any more, as Redis knows."""
        del self._channels[presence_channel.name]
        self._subscriber.unsubscribe(presence_key(presence_channel.name))
