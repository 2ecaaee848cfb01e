"""The channels to which the backend subscribed users: this node's sessions follow the list in Redis.

What travels to the nodes is only that a list has changed. Each node then reads it, and moves its sessions to
where the list says. So the outcome is that of the last change, whatever overtook what: a session that arrives
meanwhile, a change made elsewhere, a connection that was lost.
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
class _User:
    """A user with sessions on this node. ``changes`` counts how often its list was said to have changed."""

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
        self._users: dict[str, _User] = {}

    def begin(self, user: str) -> int:
        """Follow the list of ``user`` from now on; the number goes to :meth:`arrived`."""
        return self._users.setdefault(user, _User()).changes

    def known(self, user: str) -> KnownChannels:
        """The list as it was read last."""
        found = self._users.get(user)
        return found.known if found is not None else KnownChannels()

    async def arrived(self, session: Session, user: str, known: KnownChannels, began: int) -> None:
        """Put a session into the channels that Redis named in ``known``, asked since :meth:`begin`.

        Waits until they are heard. A list that has changed meanwhile is followed in any case.

        Raises:
            RedisUnavailable: Redis has been away for too long.
        """
        here = self._users.get(user)
        if here is None:
            return
        if here.known.epoch not in ("", known.epoch):
            self.changed(user)  # Redis lost its data: reading gives back what is known here
        elif here.changes == began and here.reading is None:
            here.known = known
        await self._move(user, here, (session,))

    def changed(self, user: str) -> None:
        """The list has changed, or may have: read it, in the background."""
        here = self._users.get(user)
        if here is None:
            return
        here.changes += 1
        if here.reading is None:
            here.reading = asyncio.create_task(self._read(user, here), name="hornet-user-channels")

    def restored(self, user: str, known: KnownChannels) -> None:
        """Redis has the list again, as ``known`` says."""
        here = self._users.get(user)
        if here is not None:
            here.known = known
            self.changed(user)

    def leave(self, session: Session) -> None:
        """Take a session out of the channels of its user, which is not (any more) behind it."""
        for channel, by in tuple(session.channels.items()):
            if by & SubscribedBy.BACKEND:
                self._subscriptions.leave(session, channel, SubscribedBy.BACKEND)

    def end(self, user: str) -> None:
        """The user has no session here any more."""
        here = self._users.pop(user, None)
        if here is not None and here.reading is not None:
            here.reading.cancel()

    async def _read(self, user: str, here: _User) -> None:
        try:
            while True:
                seen = here.changes
                try:
                    here.known = await self._store.read(user, here.known)
                    await self._move(user, here, self._sessions.of_user(user))
                except RedisUnavailable as error:
                    log.debug("The channels of a user can't be followed now: %s", error)
                    await asyncio.sleep(RETRY_S)
                    continue
                if seen == here.changes:
                    return
        finally:
            here.reading = None

    async def _move(self, user: str, here: _User, sessions: Iterable[Session]) -> None:
        """One after the other, so that the last one to move follows the last list."""
        async with here.moving:
            for session in sessions:
                wanted = here.known.channels
                held = {channel for channel, by in session.channels.items() if by & SubscribedBy.BACKEND}
                for channel in held - wanted:
                    self._subscriptions.leave(session, channel, SubscribedBy.BACKEND)
                if session.user == user and not wanted <= held:
                    await self._join(session, user, sorted(wanted - held))

    async def _join(self, session: Session, user: str, channels: Sequence[str]) -> None:
        """What Redis refuses to this node is left out; the listener has said so."""
        try:
            await self._subscriptions.join(
                session, channels, SubscribedBy.BACKEND, is_still_wanted=lambda: session.user == user
            )
        except RefusedByRedis:
            for channel in channels if len(channels) > 1 else ():
                await self._join(session, user, (channel,))
        except PeerError as refused:
            log.warning("Session %s can't follow its user into channels: %s", session.sid, refused.code)
