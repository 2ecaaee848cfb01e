"""Users: who is behind the sessions of this node, and how all nodes know of it.

A session counts as its user's when this node hears the user's topic, and Redis has the session in its list.
A guest costs nothing of this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from hornet.broker.keys import user_topic
from hornet.broker.listener import Listener
from hornet.broker.users import PAGE, Arrival, UserStore
from hornet.core.answers import OTHER_USER, TOO_MANY_USER_SESSIONS
from hornet.core.errors import RedisUnavailable, RefusedCredentials
from hornet.core.grants import Grant
from hornet.core.sessions import State
from hornet.engine import Engine
from hornet.flows.departures import Departures
from hornet.flows.rooms import room_of_user
from hornet.flows.sessions import Session, Sessions
from hornet.flows.signals import Signals
from hornet.flows.user_channels import UserChannels

log = logging.getLogger(__name__)

SWEEP_S = 1.0
"""How often each node looks for users whose grace period is over: they are told as gone so much later."""

PATIENCE = 3
"""Looks in a row at which Redis has not as many sessions of this node as the node itself. Some are always on
their way."""


class Users:
    """Gives sessions their user, and takes it back."""

    def __init__(
        self,
        sessions: Sessions,
        store: UserStore,
        channels: UserChannels,
        listener: Listener,
        signals: Signals,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._channels = channels
        self._listener = listener
        self._signals = signals
        self._departures = Departures(store)
        self._arriving: set[str] = set()
        self._odd_looks = 0
        self._missed_some = False
        self._wake = asyncio.Event()
        self.engine: Engine  # set by the composition root

    # A session's user ----------------------------------------------------------------------------

    async def arrive(self, session: Session, grant: Grant) -> None:
        """Have the session counted as ``grant.user``'s, and in the channels of that user.

        A session that ends meanwhile has no user afterwards. Nothing but ``info`` changes for one that is
        this user's already.

        Raises:
            RefusedCredentials: ``OTHER_USER`` where the session is somebody else's and has not logged out;
                ``TOO_MANY_USER_SESSIONS``.
            RedisUnavailable: it is nobody's.
        """
        user = grant.user
        assert user is not None
        if session.user not in (None, user):
            raise RefusedCredentials(OTHER_USER, "log out before you show who else you are")
        if session.user == user:
            session.info = grant.info
            return
        await self._departures.wait(session.sid)
        if session.sid in self._arriving:
            raise RedisUnavailable("the session's former user is still being registered")
        if session.state is State.CLOSED:
            return
        heard = self._listener.hold(user_topic(user))
        began = self._begin(session, user, grant)
        try:
            await heard
            arrival = await self._register(session, user)
        except BaseException:
            if session.user == user:
                self.depart(session)
            raise
        finally:
            self._arriving.discard(session.sid)
            if session.user != user:
                self._listener.release(user_topic(user))
        if arrival is None or session.user != user:  # it ended meanwhile
            return
        self._tell(session, arrival)
        await self._channels.arrived(session, user, arrival.known, began)

    def depart(self, session: Session) -> None:
        """The session ended, or its user logged out of it; Redis follows in the background."""
        user = session.user
        if user is None:
            return
        self._channels.leave(session)
        self.engine.leave(session.sid, room_of_user(user))
        self._sessions.set_user(session, None)
        session.info = None
        if not self._sessions.of_user(user):
            self._channels.end(user)
        if session.sid not in self._arriving:  # else arrive() waits for the topic, and releases it
            self._listener.release(user_topic(user))
        self._departures.begin(user, session.sid)

    def _begin(self, session: Session, user: str, grant: Grant) -> int:
        """Here the session is the user's at once: what is told to the user next may not pass it by."""
        self._arriving.add(session.sid)
        self._sessions.set_user(session, user)
        session.info = grant.info
        self.engine.enter(session.sid, room_of_user(user))
        return self._channels.begin(user)

    async def _register(self, session: Session, user: str) -> Arrival | None:
        """None when the session was nobody's any more before Redis was asked."""
        if session.user != user:
            return None
        arrival = await self._store.arrive(user, session.sid, session.address)
        if arrival is None:
            raise RefusedCredentials(TOO_MANY_USER_SESSIONS, "this user has too many sessions")
        if session.user != user:
            self._departures.begin(user, session.sid)  # what depart() asked may have come too early
        return arrival

    def _tell(self, session: Session, arrival: Arrival) -> None:
        if arrival.is_first:
            self._signals.user_online.send(session)
        elif arrival.sessions > 1:
            self._signals.user_session.send(session, arrival.sessions)

    # All sessions' users -------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell of users whose grace period is over, and keep Redis up to date, until cancelled."""
        while True:
            try:
                if self._missed_some:
                    await self._catch_up()
                if await self._sweep():
                    continue
            except RedisUnavailable as error:
                log.debug("Users can't be looked after now: %s", error)  # the listener has said so
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._wake.wait()
            self._wake.clear()

    def resume(self) -> None:
        """This node was deaf for a while, or Redis forgot: what each knows is compared, in the background."""
        self._missed_some = True
        self._wake.set()

    async def bury(self, node: str) -> None:
        """Take the sessions of a node that died from their users; the grace period begins.

        Raises:
            RedisUnavailable: some may be left.
        """
        async for page in self._store.held(node):
            await asyncio.gather(*(self._store.depart(user, sid, node) for sid, user in page))

    async def restore(self) -> None:
        """Have in Redis the sessions of this node that have a user, no more and no fewer.

        Raises:
            RedisUnavailable: not all was done.
        """
        held: dict[str, str] = {}
        async for page in self._store.held(self._store.node):
            held.update(page)
        for sid, user in held.items():
            session = self._sessions.get(sid)
            if (session is None or session.user != user) and sid not in self._departures:
                self._departures.begin(user, sid)
        missing = {
            user: lost
            for user in self._sessions.users()
            if (lost := {s.sid: s.address for s in self._sessions.of_user(user) if s.sid not in held})
        }
        users = list(missing)
        for at in range(0, len(users), PAGE):
            await asyncio.gather(*(self._restore(user, missing[user]) for user in users[at : at + PAGE]))

    async def close(self, timeout_s: float) -> None:
        """Wait until Redis knows of the sessions that ended, but not longer than this."""
        await self._departures.close(timeout_s)

    async def _sweep(self) -> bool:
        """True when there may be more to do at once."""
        sweep = await self._store.sweep()
        for user in sweep.gone:
            self._signals.user_gone.send(user)
        self._odd_looks = self._odd_looks + 1 if sweep.held != self._sessions.with_user else 0
        if self._odd_looks == PATIENCE:
            self._odd_looks = 0
            await self.restore()
        return len(sweep.gone) == PAGE

    async def _catch_up(self) -> None:
        self._missed_some = False
        try:
            await self.restore()
        except BaseException:
            self._missed_some = True
            raise
        for user in self._sessions.users():
            self._channels.changed(user)

    async def _restore(self, user: str, lost: Mapping[str, str]) -> None:
        """Those that are gone by now must not be written again; those that arrive write themselves."""
        sessions = {
            sid: address
            for sid, address in lost.items()
            if sid not in self._arriving
            and (session := self._sessions.get(sid)) is not None
            and session.user == user
        }
        if sessions:
            known = await self._store.restore(user, sessions, self._channels.known(user))
            self._channels.restored(user, known)
