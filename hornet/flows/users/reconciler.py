"""Keeps Redis and the nodes agreed about users when users leave, nodes die, or Redis loses data."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from hornet.broker.nodes import Nodes
from hornet.broker.users import PAGE, UserStore
from hornet.core.errors import RedisUnavailable
from hornet.flows.sessions.sessions import Sessions
from hornet.flows.sessions.signals import Signals
from hornet.flows.users.channels import UserChannels
from hornet.flows.users.service import Users

log = logging.getLogger(__name__)

SWEEP_S = 1.0
"""How often each node looks for users whose grace period is over: each is announced this much later."""

QUIET_SWEEP_S = 5.0
"""The same while no user is in the grace period, and that is longer than twice this time: no user is gone so
soon."""

MAX_ODD_SWEEPS = 3
"""Sweeps in a row that find in Redis another number of this node's sessions than the node has, before both
are compared. They may differ for a moment, since sessions come and go all the time."""


class Reconciler:
    """Sweeps the users of all nodes, and compares the sessions that Redis has of this node with its own."""

    def __init__(
        self,
        *,
        users: Users,
        sessions: Sessions,
        store: UserStore,
        nodes: Nodes,
        channels: UserChannels,
        signals: Signals,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._store = store
        self._nodes = nodes
        self._channels = channels
        self._signals = signals
        self._odd_sweeps = 0
        self._is_quiet = False
        self._missed_some = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Announce users whose grace period is over, and keep Redis up to date, until cancelled."""
        while True:
            try:
                if self._missed_some:
                    await self._catch_up()
                if await self._sweep():
                    continue
            except RedisUnavailable as error:
                log.debug("Users can't be looked after now: %s", error)  # the subscriber has logged it
                self._is_quiet = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._wake.wait()
            self._wake.clear()

    def resume(self) -> None:
        """Compare Redis with this node in the background: notices were missed, or Redis lost data."""
        self._missed_some = True
        self._wake.set()

    async def remove_dead_node(self, node: str) -> None:
        """Remove the sessions of a dead node from their users; their grace period begins.

        Raises:
            RedisUnavailable: some may be left.
        """
        async for page in self._store.sessions_of_node(node):
            await asyncio.gather(*(self._store.depart(user, sid, node) for sid, user in page))

    async def restore(self) -> None:
        """Write to Redis exactly those sessions of this node that have a user.

        Raises:
            RedisUnavailable: not all was done.
        """
        held: dict[str, str] = {}
        async for page in self._store.sessions_of_node(self._store.node):
            held.update(page)
        for sid, user in held.items():
            session = self._sessions.get(sid)
            if (session is None or session.user != user) and sid not in self._users.removals:
                self._users.removals.begin(user, sid)
        missing = {
            user: lost
            for user in self._sessions.users()
            if (lost := {s.sid: s.address for s in self._sessions.of_user(user) if s.sid not in held})
        }
        users = list(missing)
        for at in range(0, len(users), PAGE):
            await asyncio.gather(*(self._restore(user, missing[user]) for user in users[at : at + PAGE]))

    @property
    def _pause_s(self) -> float:
        if not self._is_quiet:
            return SWEEP_S
        return min(QUIET_SWEEP_S, max(SWEEP_S, self._store.grace_s / 2))

    async def _sweep(self) -> bool:
        """Sweep once; return whether there may be more to do at once."""
        # After a silence of Redis, users may be back whose arrival still waits: they get a little longer.
        sweep = await self._store.sweep(0 if self._nodes.is_recovering else PAGE)
        for user in sweep.gone:
            self._signals.user_gone.send(user)
        self._odd_sweeps = self._odd_sweeps + 1 if sweep.node_sessions != self._sessions.with_user else 0
        self._is_quiet = not sweep.leaving and not self._odd_sweeps
        if self._odd_sweeps == MAX_ODD_SWEEPS:
            self._odd_sweeps = 0
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
        """Write the sessions of a user that Redis lost.

        A session that is gone by now must not be written again; one that is arriving writes itself.
        """
        sessions = {
            sid: address
            for sid, address in lost.items()
            if sid not in self._users.arriving
            and (session := self._sessions.get(sid)) is not None
            and session.user == user
        }
        if sessions:
            known = await self._store.restore(user, sessions, self._channels.known(user))
            self._channels.restored(user, known)
