"""Presence: a session becomes a member of a channel, is told who is there, and hears who comes and goes.

Joins and leaves of this node's sessions are written to Redis, and the changes of all nodes are told to them,
in batches: the first at once, then at most one each ``BATCH_S`` for a channel. A thousand who join together
cost each member a few messages, not a thousand.

A session enters the channel's presence room in the same step in which it takes the list of members, between
two batches. So it misses no change, and hears none twice. What a member was told and what it hears
afterwards add up to what every other member knows, on every node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hornet.broker.keys import presence_channel_of, presence_key
from hornet.broker.listener import Listener
from hornet.broker.presence import SESSIONS_PER_SCRIPT, PresenceStore, parse_notice
from hornet.core.errors import HornetError, RedisUnavailable
from hornet.core.messages import Message
from hornet.core.presence import Member, parse_member
from hornet.core.presence_view import Snapshot, View
from hornet.core.sessions import State
from hornet.engine import Engine
from hornet.flows.rooms import presence_room
from hornet.flows.router import RefusedEvent
from hornet.flows.sessions import Session
from hornet.flows.settings import ChannelSettings
from hornet.flows.signals import Signals
from hornet.metrics import Metrics

log = logging.getLogger(__name__)

BATCH_S = 0.1
"""Nobody sees that a list is a tenth of a second old."""

MEMBERS_PER_MESSAGE = 250
"""At a kilobyte each, which is the most, a quarter of what may wait for a slow reader."""

RETRY_S = 1.0
"""Wait before a change is written again that Redis did not take."""

SETTLE_S = 15.0
"""How long the other nodes have to write their members again after Redis lost its data: by then each has
connected again and has missed its own heartbeat."""

STOP_S = 2.0


@dataclass(slots=True)
class _Newcomer:
    session: Session
    members: asyncio.Future[list[Member]]


@dataclass(slots=True)
class _Channel:
    """One channel on which a session of this node is present. Sessions go by their keys in the store."""

    name: str
    heard: asyncio.Future[None]
    view: View = field(default_factory=View)
    mine: dict[str, Member] = field(default_factory=dict)
    """Who is to be present, of this node."""
    unwritten: dict[str, None] = field(default_factory=dict)
    """Whose presence or absence Redis does not know yet."""
    newcomers: dict[str, _Newcomer] = field(default_factory=dict)
    is_registered: bool = False
    settling: asyncio.TimerHandle | None = None
    worker: asyncio.Task[None] | None = None

    @property
    def has_work(self) -> bool:
        return bool(self.unwritten or self.view.is_stale or self.view.roster.has_changes or self.newcomers)


class Presence:
    """The members of channels, as far as this node's sessions are among them."""

    def __init__(
        self,
        settings: ChannelSettings,
        store: PresenceStore,
        listener: Listener,
        signals: Signals,
        metrics: Metrics,
    ) -> None:
        self.settings = settings
        """May be replaced at any time."""
        self._store = store
        self._listener = listener
        self._metrics = metrics
        self._channels: dict[str, _Channel] = {}
        self.engine: Engine  # set by the composition root
        signals.left.connect(self.leave)
        listener.on_restored(self._read_all_again)

    # Coming and going ----------------------------------------------------------------------------

    def check(self, session: Session, text: str) -> None:
        """Raises:
        PeerError: ``BAD_PRESENCE``: the presence data ``text`` describes no member.
        """
        parse_member(text, session.user)

    async def enter(self, session: Session, channel: str, text: str) -> dict[str, object]:
        """As :meth:`join`, by presence data; returns ``{"members"}``, to be added to the client's answer.

        Raises:
            PeerError: ``BAD_PRESENCE``, or as :meth:`join`.
            RedisUnavailable: as :meth:`join`.
        """
        members = await self.join(session, channel, parse_member(text, session.user))
        return {"members": as_json(members)}

    async def join(self, session: Session, channel: str, member: Member) -> list[Member]:
        """Make a session that is in ``channel`` present as ``member``; returns all members, it included.

        Waits for the next batch. The answer is to be sent without another wait, for the changes follow it.

        Raises:
            RefusedEvent: ``TOO_MANY_MEMBERS``, or ``SESSION_ENDED`` if it left meanwhile.
            RedisUnavailable: it could not be made present.
        """
        found = self._channels.get(channel)
        if found is None:
            found = self._channels[channel] = _Channel(channel, self._listener.hold(presence_key(channel)))
        key = self._store.session_key(session.sid)
        self._dismiss(found, key, _left())  # an attempt of the same session that still waits
        members: asyncio.Future[list[Member]] = asyncio.get_running_loop().create_future()
        found.newcomers[key] = _Newcomer(session, members)
        if found.mine.get(key) != member:
            found.mine[key] = member
            found.unwritten[key] = None
        self._start(found)
        try:
            return await members
        except asyncio.CancelledError:
            self.leave(session, channel)
            raise

    def leave(self, session: Session, channel: str) -> None:
        """The session is no member any more; nothing happens if it was none."""
        found = self._channels.get(channel)
        key = self._store.session_key(session.sid)
        if found is None or key not in found.mine:
            return
        del found.mine[key]
        found.unwritten[key] = None
        self.engine.leave(session.sid, presence_room(channel))
        self._dismiss(found, key, _left())
        self._start(found)

    def members(self, session: Session, channel: str) -> list[Member] | None:
        """The members as this session was told of them; None if it is none itself."""
        found = self._channels.get(channel)
        if found is None or session.sid not in self.engine.members(presence_room(channel)):
            return None
        return found.view.roster.told

    async def read_members(self, channel: str) -> list[Member]:
        """The members by what Redis knows, for whoever asks about a channel that may be anywhere.

        Raises:
            RedisUnavailable: it can't be known.
        """
        return _distinct(await self._store.read(channel))

    async def on_presence(self, session: Session, args: Sequence[object]) -> Mapping[str, object]:
        """Answer event ``hornet:presence`` with its ``{"channel"}``: the members, to a member.

        Raises:
            RefusedEvent: ``WRONG_PARAMETERS`` or ``NOT_A_MEMBER``.
        """
        shown = args[0] if args else None
        channel = shown.get("channel") if isinstance(shown, Mapping) else None
        if not isinstance(channel, str):
            raise RefusedEvent("WRONG_PARAMETERS", "The argument is no object with 'channel'")
        found = self.members(session, channel)
        if found is None:
            raise RefusedEvent("NOT_A_MEMBER", "The session is no member of this channel")
        return {"ok": True, "channel": channel, "members": as_json(found)}

    # What the other nodes do ---------------------------------------------------------------------

    def receive(self, topic: str, payload: bytes) -> None:
        """Follow one change that a node wrote."""
        found = self._channels.get(presence_channel_of(topic))
        if found is None:
            return
        try:
            found.view.apply(parse_notice(payload))
        except ValueError as error:
            self._metrics.dropped.labels("BAD_NOTICE").inc()
            log.warning("Dropped a publish of %d bytes on %r: %s", len(payload), topic, error)
            return
        self._start(found)

    async def bury(self, node: str) -> None:
        """Take out whom a node made present that is dead. Raises ``RedisUnavailable`` to be called again."""
        await self._store.bury(node)

    async def restore(self) -> None:
        """Redis has no trace of this node: write all its members again."""
        for found in self._channels.values():
            found.is_registered = False
            found.unwritten.update(dict.fromkeys(found.mine))
            found.view.lose()
            self._start(found)

    async def stop(self) -> None:
        """Write what there is to write, for as long as a node that stops may take, and end."""
        workers = [found.worker for found in self._channels.values() if found.worker is not None]
        if workers:
            _, late = await asyncio.wait(workers, timeout=STOP_S)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for found in self._channels.values():
            if found.settling is not None:
                found.settling.cancel()

    def _read_all_again(self) -> None:
        """The subscription was lost for a while, and notices with it."""
        for found in self._channels.values():
            found.view.lose()
            self._start(found)

    # The work on one channel ---------------------------------------------------------------------

    def _start(self, found: _Channel) -> None:
        if found.worker is None and (found.has_work or not found.mine):
            found.worker = asyncio.create_task(self._work(found), name="hornet-presence")
            found.worker.add_done_callback(lambda task: self._on_worked(found, task))

    async def _work(self, found: _Channel) -> None:
        """Do what there is to do, in batches, until nothing is left."""
        await found.heard
        while found.has_work:
            try:
                if found.view.is_stale:
                    await self._read(found)
                await self._write(found)
            except RedisUnavailable as error:
                log.warning("Presence on %r waits for Redis: %s", found.name, error)
                self._dismiss_all(found, error)
                await asyncio.sleep(RETRY_S)
                continue
            self._tell(found)
            await asyncio.sleep(BATCH_S)

    def _on_worked(self, found: _Channel, task: asyncio.Task[None]) -> None:
        found.worker = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The presence of %r failed", found.name, exc_info=error)
            self._dismiss_all(found, RedisUnavailable("presence failed"))
        elif found.has_work and not task.cancelled():
            self._start(found)
        elif not found.mine and self._channels.get(found.name) is found:
            del self._channels[found.name]
            self._listener.release(presence_key(found.name))
            if found.settling is not None:
                found.settling.cancel()

    async def _read(self, found: _Channel) -> None:
        losses = found.view.losses
        snapshot = await self._store.read(found.name)
        found.view.reset(snapshot, losses)
        found.unwritten.update(dict.fromkeys(found.mine.keys() - snapshot.sessions.keys()))
        if found.view.is_settling and found.settling is None:
            log.warning("Redis lost the members of %r: the nodes write them again", found.name)
            loop = asyncio.get_running_loop()
            found.settling = loop.call_later(SETTLE_S, self._settle, found)

    def _settle(self, found: _Channel) -> None:
        found.settling = None
        found.view.settle()
        self._start(found)

    async def _write(self, found: _Channel) -> None:
        self._refuse_too_many(found)
        while found.unwritten:
            if not found.is_registered:
                await self._store.register(found.name)
                found.is_registered = True
            keys = list(found.unwritten)[:SESSIONS_PER_SCRIPT]
            put = {key: found.mine[key] for key in keys if key in found.mine}
            gone = [key for key in keys if key not in found.mine]
            for key in keys:
                del found.unwritten[key]
            try:
                notice = await self._store.change(found.name, put, gone)
            except RedisUnavailable:
                found.unwritten.update(dict.fromkeys(keys))
                raise
            # The notice comes back through the subscription too. Only if others wait there, it must wait too.
            if notice is not None and found.view.is_next(notice):
                found.view.apply(notice)
        if not found.mine and found.is_registered:
            await self._store.unregister(found.name)
            found.is_registered = False

    def _refuse_too_many(self, found: _Channel) -> None:
        most, added = self.settings.max_members, set[str]()
        roster = found.view.roster
        for key in [key for key in found.newcomers if key in found.unwritten]:
            member_id = found.mine[key].id
            if roster.has_member(member_id) or member_id in added:
                continue
            if roster.members + len(added) < most:
                added.add(member_id)
                continue
            del found.mine[key], found.unwritten[key]
            self._dismiss(
                found, key, RefusedEvent("TOO_MANY_MEMBERS", f"A channel has {most} members at most")
            )

    def _tell(self, found: _Channel) -> None:
        """One batch: the changes to those who are members, then the whole to those who become so."""
        changes = found.view.roster.take_changes()
        room = presence_room(found.name)
        for kind, members in (("presence-quit", changes.gone), ("presence-add", changes.added)):
            for start in range(0, len(members), MEMBERS_PER_MESSAGE):
                some = as_json(members[start : start + MEMBERS_PER_MESSAGE])
                body = {"type": kind, "channel": found.name, "members": some}
                self.engine.fan_out(room, Message(found.name, body))
        told = found.view.roster.told
        for key in [key for key in found.newcomers if key in found.view.roster]:
            newcomer = found.newcomers.pop(key)
            if newcomer.session.state is State.CLOSED or newcomer.members.done():
                continue
            self.engine.enter(newcomer.session.sid, room)
            newcomer.members.set_result(told)

    def _dismiss(self, found: _Channel, key: str, why: HornetError) -> None:
        newcomer = found.newcomers.pop(key, None)
        if newcomer is not None and not newcomer.members.done():
            newcomer.members.set_exception(why)

    def _dismiss_all(self, found: _Channel, why: HornetError) -> None:
        """Those who wait are told that it failed. They may be written by now, so they are taken out again."""
        for key in tuple(found.newcomers):
            if key not in found.view.roster:
                del found.mine[key]
                found.unwritten[key] = None
            self._dismiss(found, key, why)


def as_json(members: Sequence[Member]) -> list[dict[str, object]]:
    return [member.as_json() for member in members]


def _distinct(snapshot: Snapshot) -> list[Member]:
    return list({member.id: member for member in snapshot.sessions.values()}.values())


def _left() -> RefusedEvent:
    return RefusedEvent("SESSION_ENDED", "The session left meanwhile")
