"""Members whose session lost its connection and may come back: they linger, and nobody sees them quit.

A session that comes back to its node finds its member there. On another node its member is read from Redis,
and moved in one script: the new session is put, and the old one removed. So the member always has a session,
and others see nothing. The former node learns of the move by the notice, and forgets the member.
"""

from __future__ import annotations

import asyncio
import logging

from hornet.broker.presence import PresenceStore
from hornet.core.errors import RedisUnavailable
from hornet.core.sessions import AuthState
from hornet.flows.presence.service import Presence
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)


class Lingering:
    """Keeps members for ``grace_s``, and gives them back to the sessions that return."""

    def __init__(self, *, presence: Presence, store: PresenceStore, node: str, grace_s: float) -> None:
        self._presence = presence
        self._store = store
        self._node = node
        self._grace_s = grace_s
        self._moves: set[asyncio.Task[None]] = set()

    def on_session_lost(self, session: Session) -> None:
        """Keep the members of a session that is about to leave its channels."""
        for channel in session.channels:
            self._presence.linger(session, channel, self._grace_s)

    def on_session_restored(self, session: Session, owner: str, sid: str) -> None:
        """Give a session, which is in its channels again, its members: it was ``sid`` on node ``owner``."""
        former = self._store.session_key(sid, owner)
        if owner == self._node:
            for channel in session.channels:
                self._presence.take_back(session, channel, former)
        elif session.channels:
            task = asyncio.create_task(self._move(session, former), name="hornet-presence-move")
            self._moves.add(task)
            task.add_done_callback(self._moves.discard)

    async def _move(self, session: Session, former: str) -> None:
        try:
            members = await self._store.members_of(former, tuple(session.channels))
        except RedisUnavailable as error:
            log.warning("The members of session %s stay behind: %s", session.sid, error)
            return
        for channel, member in members.items():
            if session.state is not AuthState.CLOSED and channel in session.channels:
                self._presence.take_back(session, channel, former, member)
