"""The channels to which the backend subscribed users: this node's sessions follow the list in Redis.

Nodes are told only that a list has changed. Each node then reads the list, and moves its sessions into and
out of channels accordingly. So the last change wins in every order of events: when a session arrives
meanwhile, when two nodes make changes, when a connection is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hornet.broker.users import KnownChannels, UserStore
from hornet.core.errors import PeerError, RedisUnavailable, RefusedByRedis
from hornet.flows.channels.subscriptions import Subscriptions
from hornet.flows.sessions.sessions import Session, Sessions, SubscribedBy

log = logging.getLogger(__name__)

RETRY_S = 1.0


@dataclass(eq=False, slots=True)
class _ChannelList:
    """The channels of a user with sessions on this node. ``changes`` counts the announced changes."""

    known: KnownChannels = field(default_factory=KnownChannels)
    changes: int = 0
    reading: asyncio.Task[None] | None = None
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)


class UserChannels:
    """Keeps sessions in the channels of their user, for as long as the user has a session here."""

    def __init__(self, *, store: UserStore, sessions: Sessions, subscriptions: Subscriptions) -> None:
        self._store = store
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._lists: dict[str, _ChannelList] = {}

    def begin(self, user: str) -> int:
        """Follow the list of ``user`` from now on; return the number to give to :meth:`arrived`."""
        return self._lists.setdefault(user, _ChannelList()).changes

    def known(self, user: str) -> KnownChannels:
        """Return the list as it was read last."""
        channel_list = self._lists.get(user)
        return channel_list.known if channel_list is not None else KnownChannels()

    async def arrived(self, session: Session, user: str, known: KnownChannels, began: int) -> None:
        """Put a session into the channels of ``known``, which was read after :meth:`begin`.

        Returns when Redis has confirmed the subscriptions. A list that changed meanwhile is followed, too.

        Raises:
            RedisUnavailable: Redis has been away for too long.
        """
        channel_list = self._lists.get(user)
        if channel_list is None:
            return
        if channel_list.known.epoch not in ("", known.epoch):
            self.changed(user)  # Redis lost its data: reading the list restores this node's copy there
        elif channel_list.changes == began and channel_list.reading is None:
            channel_list.known = known
        await self._move(user, channel_list, (session,))

    def changed(self, user: str) -> None:
        """Read the list again, in the background: it has changed, or may have."""
        channel_list = self._lists.get(user)
        if channel_list is None:
            return
        channel_list.changes += 1
        if channel_list.reading is None:
            reading = self._read(user, channel_list)
            channel_list.reading = asyncio.create_task(reading, name="hornet-user-channels")

    def restored(self, user: str, known: KnownChannels) -> None:
        """Take over ``known``, which Redis has again, and read it once more."""
        channel_list = self._lists.get(user)
        if channel_list is not None:
            channel_list.known = known
            self.changed(user)

    def leave(self, session: Session) -> None:
        """Take a session, which no longer has its user, out of that user's channels."""
        for channel, by in tuple(session.channels.items()):
            if by & SubscribedBy.BACKEND:
                self._subscriptions.leave(session, channel, SubscribedBy.BACKEND)

    def end(self, user: str) -> None:
        """Follow the list no more: the user's last session on this node has left."""
        channel_list = self._lists.pop(user, None)
        if channel_list is not None and channel_list.reading is not None:
            channel_list.reading.cancel()

    async def _read(self, user: str, channel_list: _ChannelList) -> None:
        try:
            while True:
                seen = channel_list.changes
                try:
                    channel_list.known = await self._store.read(user, channel_list.known)
                    await self._move(user, channel_list, self._sessions.of_user(user))
                except RedisUnavailable as error:
                    log.debug("The channels of a user can't be followed now: %s", error)
                    await asyncio.sleep(RETRY_S)
                    continue
                if seen == channel_list.changes:
                    return
        finally:
            channel_list.reading = None

    async def _move(self, user: str, channel_list: _ChannelList, sessions: Iterable[Session]) -> None:
        """Move sessions into and out of channels, one after the other, lest an older list comes last."""
        async with channel_list.moving:
            for session in sessions:
                wanted = channel_list.known.channels
                held = {channel for channel, by in session.channels.items() if by & SubscribedBy.BACKEND}
                for channel in held - wanted:
                    self._subscriptions.leave(session, channel, SubscribedBy.BACKEND)
                if session.user == user and not wanted <= held:
                    await self._join(session, user, sorted(wanted - held))

    async def _join(self, session: Session, user: str, channels: Sequence[str]) -> None:
        """Subscribe a session to channels. Those that Redis refuses to this node are left out, and logged."""
        try:
            await self._subscriptions.join(
                session, channels, SubscribedBy.BACKEND, is_still_wanted=lambda: session.user == user
            )
        except RefusedByRedis:
            for channel in channels if len(channels) > 1 else ():
                await self._join(session, user, (channel,))
        except PeerError as refused:
            log.warning("Session %s can't follow its user into channels: %s", session.sid, refused.code)
