"""Presence: a session becomes a member of a channel, is told who is there, and hears who comes and goes.

Each channel with a member on this node has a :class:`~hornet.flows.presence.channel.PresenceChannel`, which
does the work. Here is who asks for it: sessions, other nodes, and the life of this one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from hornet.broker.keys import presence_channel_of, presence_key
from hornet.broker.presence import PresenceStore, parse_notice
from hornet.broker.subscriber import Subscriber
from hornet.core import codes
from hornet.core.presence import Member, as_json
from hornet.engine import Engine
from hornet.flows.channels.rooms import presence_room
from hornet.flows.presence.channel import PresenceChannel
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session
from hornet.flows.settings import ChannelSettings
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

STOP_S = 2.0


class Presence:
    """The members of channels, as far as this node's sessions are among them."""

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

    # Coming and going ----------------------------------------------------------------------------

    async def join(self, session: Session, channel: str, member: Member) -> list[Member]:
        """Make a session that is in ``channel`` present as ``member``; returns all members, it included.

        Waits for the next batch. The answer is to be sent without another wait, for the changes follow it.

        Raises:
            RefusedEvent: ``TOO_MANY_MEMBERS``, or ``SESSION_ENDED`` if it left meanwhile.
            RedisUnavailable: it could not be made present.
        """
        found = self._channels.get(channel)
        if found is None:
            found = self._channels[channel] = self._begin(channel)
        members = found.join(session, member)
        try:
            return await members
        except asyncio.CancelledError:
            self.leave(session, channel)
            raise

    def leave(self, session: Session, channel: str) -> None:
        """The session is no member any more; nothing happens if it was none."""
        found = self._channels.get(channel)
        if found is not None:
            found.leave(session)

    def members(self, session: Session, channel: str) -> list[Member] | None:
        """The members as this session was told of them; None if it is none itself."""
        found = self._channels.get(channel)
        if found is None or session.sid not in self._engine.members(presence_room(channel)):
            return None
        return found.told

    async def on_presence(self, session: Session, args: Sequence[object]) -> Mapping[str, object]:
        """Answer event ``hornet:presence`` with its ``{"channel"}``: the members, to a member.

        Raises:
            RefusedEvent: ``WRONG_PARAMETERS`` or ``NOT_A_MEMBER``.
        """
        shown = args[0] if args else None
        channel = shown.get("channel") if isinstance(shown, Mapping) else None
        if not isinstance(channel, str):
            raise RefusedEvent(codes.WRONG_PARAMETERS, "The argument is no object with 'channel'")
        found = self.members(session, channel)
        if found is None:
            raise RefusedEvent(codes.NOT_A_MEMBER)
        return {"ok": True, "channel": channel, "members": as_json(found)}

    # What the other nodes do ---------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Follow one change that a node wrote."""
        found = self._channels.get(presence_channel_of(topic))
        if found is None:
            return
        try:
            found.apply(parse_notice(payload))
        except ValueError as error:
            self._metrics.dropped.labels(codes.BAD_NOTICE).inc()
            log.warning("Dropped a publish of %d bytes on %r: %s", len(payload), topic, error)

    async def remove_dead_node(self, node: str) -> None:
        """Take out whom a node made present that is dead. Raises ``RedisUnavailable`` to be called again."""
        await self._store.remove_dead_node(node)

    # The life of this node -----------------------------------------------------------------------

    async def restore(self) -> None:
        """Redis has no trace of this node: write all its members again."""
        for found in self._channels.values():
            found.write_again()

    def read_again(self) -> None:
        """Read the members of every channel again: this node may have missed notices."""
        for found in self._channels.values():
            found.read_again()

    async def stop(self) -> None:
        """Write what there is to write, for as long as a node that stops may take, and end."""
        workers = [found.worker for found in self._channels.values() if found.worker is not None]
        if workers:
            _, late = await asyncio.wait(workers, timeout=STOP_S)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for found in self._channels.values():
            found.close()

    def _begin(self, channel: str) -> PresenceChannel:
        heard = self._subscriber.subscribe(presence_key(channel))
        return PresenceChannel(
            name=channel,
            subscribed=heard,
            engine=self._engine,
            store=self._store,
            max_members=lambda: self._settings.max_members,
            on_over=self._end,
        )

    def _end(self, found: PresenceChannel) -> None:
        """Nobody is present any more, and Redis knows it."""
        del self._channels[found.name]
        self._subscriber.unsubscribe(presence_key(found.name))
