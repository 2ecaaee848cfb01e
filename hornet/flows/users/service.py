"""Users: who is behind the sessions of this node, and how all nodes know of it.

A session counts as its user's when this node hears the user's topic, and Redis has the session in its list.
A guest costs nothing of this.
"""

from __future__ import annotations

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
    """Gives sessions their user, and takes it back."""

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
        self.departures = PendingRemovals(store)
        self.arriving: set[str] = set()
        """The sessions of which Redis is being told."""

    async def arrive(self, session: Session, grant: Grant) -> None:
        """Have the session counted as ``grant.user``'s, and in the channels of that user.

        A session that ends meanwhile has no user afterwards. Nothing but ``info`` changes for one that is
        this user's already.

        Raises:
            RefusedCredentials: ``TOO_MANY_USER_SESSIONS``.
            RedisUnavailable: it is nobody's.
        """
        user = grant.user
        assert user is not None
        assert session.user in (None, user)
        if session.user == user:
            session.info = grant.info
            return
        await self.departures.wait(session.sid)
        if session.sid in self.arriving:
            raise RedisUnavailable("the session's former user is still being registered")
        if session.state is AuthState.CLOSED:
            return
        heard = self._subscriber.subscribe(user_topic(user))
        began = self._begin(session, user, grant)
        try:
            await heard
            arrival = await self._register(session, user)
        except BaseException:
            if session.user == user:
                self.depart(session)
            raise
        finally:
            self.arriving.discard(session.sid)
            if session.user != user:
                self._subscriber.unsubscribe(user_topic(user))
        if arrival is None or session.user != user:  # it ended meanwhile
            return
        self._tell(session, arrival)
        try:
            await self._channels.arrived(session, user, arrival.known, began)
        except BaseException:
            if session.user == user:
                self.depart(session)
            raise

    def depart(self, session: Session) -> None:
        """The session ended, or its user logged out of it; Redis follows in the background."""
        user = session.user
        if user is None:
            return
        self._channels.leave(session)
        self._engine.leave(session.sid, room_of_user(user))
        self._sessions.set_user(session, None)
        session.info = None
        if not self._sessions.of_user(user):
            self._channels.end(user)
        if session.sid not in self.arriving:  # else arrive() waits for the topic, and releases it
            self._subscriber.unsubscribe(user_topic(user))
        self.departures.begin(user, session.sid)

    async def close(self, timeout_s: float) -> None:
        """Wait until Redis knows of the sessions that ended, but not longer than this."""
        await self.departures.close(timeout_s)

    def _begin(self, session: Session, user: str, grant: Grant) -> int:
        """Here the session is the user's at once: what is told to the user next may not pass it by."""
        self.arriving.add(session.sid)
        self._sessions.set_user(session, user)
        session.info = grant.info
        self._engine.enter(session.sid, room_of_user(user))
        return self._channels.begin(user)

    async def _register(self, session: Session, user: str) -> Arrival | None:
        """None when the session was nobody's any more before Redis was asked."""
        if session.user != user:
            return None
        arrival = await self._store.arrive(user, session.sid, session.address)
        if arrival is None:
            raise RefusedCredentials(codes.TOO_MANY_USER_SESSIONS, "this user has too many sessions")
        if session.user != user:
            self.departures.begin(user, session.sid)  # what depart() asked may have come too early
        return arrival

    def _tell(self, session: Session, arrival: Arrival) -> None:
        if arrival.is_first:
            self._signals.user_online.send(session)
        elif arrival.sessions > 1:
            self._signals.user_session.send(session, arrival.sessions)
