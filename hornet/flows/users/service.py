"""The users of this node's sessions, and how all nodes learn of them.

A session counts as its user's when this node is subscribed to the user's topic, and Redis has the session in
its list. A guest costs nothing of this.
"""

from __future__ import annotations

from collections.abc import Awaitable

from hornet.broker.keys import user_topic
from hornet.broker.subscriber import Subscriber
from hornet.broker.users import Arrival, UserStore
from hornet.core import codes
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.sessions import AuthState
from hornet.engine import Engine
from hornet.flows.channels.rooms import room_of_user
from hornet.flows.sessions.sessions import Session, Sessions
from hornet.flows.sessions.signals import Signals
from hornet.flows.users.channels import UserChannels
from hornet.flows.users.pending_removals import PendingRemovals


class Users:
    """Gives sessions their user, and takes the user away again."""

    def __init__(
        self,
        *,
        engine: Engine,
        sessions: Sessions,
        store: UserStore,
        channels: UserChannels,
        subscriber: Subscriber,
        signals: Signals,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._store = store
        self._channels = channels
        self._subscriber = subscriber
        self._signals = signals
        self.removals = PendingRemovals(store)
        self.arriving: set[str] = set()
        """The sessions that are being written to Redis."""

    async def arrive(self, session: Session, grant: Grant) -> None:
        """Make the session ``grant.user``'s, and put it into the channels of that user.

        A session that ends meanwhile has no user afterwards. If the session is this user's already, only
        ``info`` changes.

        Raises:
            RefusedCredentials: ``TOO_MANY_USER_SESSIONS``.
            RedisUnavailable: the session has no user.
        """
        user = grant.user
        assert user is not None
        assert session.user in (None, user)
        if session.user == user:
            session.info = grant.info
            return
        await self.removals.wait(session.sid)
        if session.sid in self.arriving:
            raise RedisUnavailable("the session's former user is still being registered")
        if session.state is AuthState.CLOSED:
            return
        subscribed = self._subscriber.subscribe(user_topic(user))
        await self._complete(session, user, self._begin(session, user, grant), subscribed)

    def restore(self, session: Session, user: str, info: object) -> Awaitable[None]:
        """Make a session that came back its user's again, at once; await the result to have Redis count it.

        This node is subscribed to the user's topic already; the session takes this subscription over.

        Raises:
            RefusedCredentials, RedisUnavailable: from the result, as :meth:`arrive`.
        """
        began = self._begin(session, user, Grant(user, info))
        return self._complete(session, user, began, self.removals.wait(session.sid))

    async def _complete(self, session: Session, user: str, began: int, ready: Awaitable[None]) -> None:
        """Have Redis count a session of the user when it is ``ready`` for that."""
        try:
            await ready
            arrival = await self._register(session, user)
        except BaseException:
            if session.user == user:
                self.depart(session)
            raise
        finally:
            self.arriving.discard(session.sid)
            if session.user != user:
                self._subscriber.unsubscribe(user_topic(user))
        if arrival is None or session.user != user:  # the session ended meanwhile
            return
        self._announce(session, arrival)
        try:
            await self._channels.arrived(session, user, arrival.known, began)
        except BaseException:
            if session.user == user:
                self.depart(session)
            raise

    def depart(self, session: Session, *, tells_redis: bool = True) -> None:
        """Take the user from a session that ended, or logged out; Redis is told in the background.

        Redis is not told of a session that is there again, on another connection to this node.
        """
        user = session.user
        if user is None:
            return
        self._channels.leave(session)
        self._engine.leave(session.sid, room_of_user(user))
        self._sessions.set_user(session, None)
        session.info = None
        if not self._sessions.of_user(user):
            self._channels.end(user)
        if session.sid not in self.arriving:  # else arrive() still waits for the topic, and unsubscribes
            self._subscriber.unsubscribe(user_topic(user))
        if tells_redis:
            self.removals.begin(user, session.sid)

    async def close(self, timeout_s: float) -> None:
        """Wait until Redis knows of the sessions that ended, but not longer than this."""
        await self.removals.close(timeout_s)

    def _begin(self, session: Session, user: str, grant: Grant) -> int:
        """Make the session the user's on this node at once, so that it gets the next event for the user."""
        self.arriving.add(session.sid)
        self._sessions.set_user(session, user)
        session.info = grant.info
        self._engine.enter(session.sid, room_of_user(user))
        return self._channels.begin(user)

    async def _register(self, session: Session, user: str) -> Arrival | None:
        """Write the session to Redis; return None if it lost its user before that."""
        if session.user != user:
            return None
        arrival = await self._store.arrive(user, session.sid, session.address)
        if arrival is None:
            raise RefusedCredentials(codes.TOO_MANY_USER_SESSIONS, "this user has too many sessions")
        if session.user != user:
            self.removals.begin(user, session.sid)  # the removal by depart() may have come too early
        return arrival

    def _announce(self, session: Session, arrival: Arrival) -> None:
        if arrival.is_first:
            self._signals.user_online.send(session)
        elif arrival.sessions > 1:
            self._signals.user_session.send(session, arrival.sessions)
