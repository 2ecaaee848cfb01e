"""The members of one channel, as far as this node has to do with them.

Joins and leaves of this node's sessions are written to Redis, and the changes of all nodes are announced to
these sessions, in batches: the first at once, then at most one each ``BATCH_S`` for a channel. A thousand
sessions that join together cost each member a few messages, not a thousand.

A session enters the channel's presence room in the same step in which it takes the list of members, between
two batches. So it misses no change, and gets none twice: the list and the changes after it add up to what
every other member knows, on every node.

All newcomers of a batch get the same list, encoded once, ``NEWCOMERS_PER_TURN`` in one turn of the event
loop. Of a crowd only some members are listed (see :mod:`hornet.core.presence`), so the price of a newcomer
does not grow with the crowd.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hornet.broker.presence import SESSIONS_PER_SCRIPT, PresenceStore
from hornet.core import codes
from hornet.core.errors import HornetError, RedisUnavailable
from hornet.core.messages import Message
from hornet.core.presence import Member, MemberList, PresenceNotice, PresenceView, as_json
from hornet.core.sessions import AuthState
from hornet.engine import Engine, PreparedMessage, SharedAnswer
from hornet.flows.channels.rooms import presence_room
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session
from hornet.flows.settings import ChannelSettings

log = logging.getLogger(__name__)

BATCH_S = 0.1
"""Pause between two batches. People don't notice that a list is a tenth of a second old."""

COUNT_S = 1.0
"""Pause between two messages that tell the members of a crowd how many they are."""

MEMBERS_PER_MESSAGE = 250
"""Of a kilobyte each at most: a quarter of what may wait for a slow reader."""

NEWCOMERS_PER_TURN = 64
"""Newcomers that are answered in one turn of the event loop: some 5 ms."""

MAX_PAGES = 64
"""Pages of members that are kept as they were encoded, until the next batch."""

RETRY_S = 1.0
"""Pause before a change is written again that Redis did not take."""

SETTLE_S = 15.0
"""For the other nodes to write their members again after Redis lost its data: each missed its heartbeat."""


@dataclass(slots=True)
class _Newcomer:
    session: Session
    answer: asyncio.Future[SharedAnswer] | None
    """None for a session that came back: it asked for nothing, and gets a message."""


class PresenceChannel:
    """One channel in which a session of this node is present. Sessions are named by their keys in the store.

    ``subscribed`` is done when this node receives the notices of the others. ``on_end`` is called when no
    session of this node is present any more and Redis knows it, or when this node can't receive notices.
    """

    def __init__(
        self,
        *,
        name: str,
        subscribed: asyncio.Future[None],
        engine: Engine,
        store: PresenceStore,
        settings: Callable[[], ChannelSettings],
        on_end: Callable[[PresenceChannel], None],
    ) -> None:
        self.name = name
        self.worker: asyncio.Task[None] | None = None
        """The task that reads, writes and announces; it runs while there is something to do."""
        self._subscribed = subscribed
        self._engine = engine
        self._store = store
        self._settings = settings
        self._on_end = on_end
        self._view = PresenceView(max_listed=lambda: settings().max_listed_members)
        self._own: dict[str, Member] = {}
        """The sessions of this node that are to be present."""
        self._unwritten: dict[str, None] = {}
        """The sessions whose presence or absence Redis does not know yet."""
        self._newcomers: dict[str, _Newcomer] = {}
        self._lingering: dict[str, asyncio.TimerHandle] = {}  # lost their connection, and may come back
        self._announced_count: int | None = None
        """How many members a crowd was told that it has; None when all members were listed."""
        self._count_due = 0.0
        """When the event loop's clock allows the next such message."""
        self._pages: dict[tuple[str, int] | None, SharedAnswer] = {}
        """Encoded answers since the last batch: for the listed members (None), and for pages."""
        self._list: PreparedMessage | None = None
        self._is_registered = False
        self._settling: asyncio.TimerHandle | None = None
        self._has_ended = False

    def listed(self) -> SharedAnswer:
        """Return the answer with the members that were announced to the sessions in the presence room."""
        return self._answer(None, lambda: self._view.roster.listed)

    def page(self, after: str, limit: int) -> SharedAnswer:
        """Return the answer with one page of all members, listed or not, in the order of their ids."""
        return self._answer((after, limit), lambda: self._view.roster.page(after, limit))

    def join(self, session: Session, member: Member) -> asyncio.Future[SharedAnswer]:
        """Make a session present with the next batch.

        The future is then done with the answer that lists the members, or with the error.
        """
        key = self._store.session_key(session.sid)
        self._dismiss(key, _left())  # an earlier attempt of the same session that still waits
        answer: asyncio.Future[SharedAnswer] = asyncio.get_running_loop().create_future()
        self._newcomers[key] = _Newcomer(session, answer)
        if self._own.get(key) != member:
            self._own[key] = member
            self._unwritten[key] = None
        self._start()
        return answer

    def leave(self, session: Session) -> None:
        """Make the session absent; does nothing if it is no member."""
        key = self._store.session_key(session.sid)
        if key not in self._own or key in self._lingering:
            return
        del self._own[key]
        self._unwritten[key] = None
        self._engine.leave(session.sid, presence_room(self.name))
        self._dismiss(key, _left())
        self._start()

    def linger(self, session: Session, grace_s: float) -> None:
        """Keep a session present that lost its connection; does nothing if it is no member."""
        key = self._store.session_key(session.sid)
        if key in self._own and key not in self._lingering:
            self._engine.leave(session.sid, presence_room(self.name))
            self._dismiss(key, _left())
            self._lingering[key] = asyncio.get_running_loop().call_later(grace_s, self._quit, key)

    def take_back(self, session: Session, former: str, member: Member | None) -> None:
        """Make a session the member that ``former`` was, which ends, and send it the list of members."""
        key = self._store.session_key(session.sid)
        kept = self._forget(former) or member
        if kept is None:
            return
        if key not in self._own:
            self._own[key] = kept
            self._newcomers[key] = _Newcomer(session, None)
        if key != former:
            self._unwritten.pop(former, None)
            self._unwritten.update({key: None, former: None})  # in this order the member is never absent
        self._start()

    def end_lingering(self) -> None:
        """Make all absent that have not come back."""
        for key in tuple(self._lingering):
            self._quit(key)

    def _quit(self, key: str) -> None:
        self._forget(key)
        self._unwritten[key] = None
        self._start()

    def _forget(self, key: str) -> Member | None:
        """Return the member of a session that lingers, which does so no longer; None if it does not."""
        timer = self._lingering.pop(key, None)
        if timer is None:
            return None
        timer.cancel()
        return self._own.pop(key)

    def apply(self, notice: PresenceNotice) -> None:
        """Apply a change that some node wrote. Another node may have taken over who lingers here."""
        for key in notice.gone:
            self._forget(key)
        self._view.apply(notice)
        self._start()

    def read_again(self) -> None:
        """Read all members from Redis: this node may have missed notices."""
        self._view.lose()
        self._start()

    def write_again(self) -> None:
        """Write the members of this node again, which Redis may have lost, and read all others."""
        self._is_registered = False
        self._unwritten.update(dict.fromkeys(self._own))
        self.read_again()

    def close(self) -> None:
        """Cancel the timers; to be called when the worker has ended."""
        for timer in self._lingering.values():
            timer.cancel()
        if self._settling is not None:
            self._settling.cancel()

    @property
    def _has_work(self) -> bool:
        return bool(
            self._unwritten
            or self._view.is_stale
            or self._view.roster.has_changes
            or self._newcomers
            or self._announced_count != self._crowd_count
        )

    @property
    def _crowd_count(self) -> int | None:
        """How many members there are, where not all of them are listed."""
        roster = self._view.roster
        return roster.count if roster.is_crowd else None

    def _answer(self, key: tuple[str, int] | None, members: Callable[[], MemberList]) -> SharedAnswer:
        answer = self._pages.get(key)
        if answer is None:
            if len(self._pages) >= MAX_PAGES:
                self._pages.clear()
            value = {"ok": True, "channel": self.name, **members().as_json()}
            if key is None and self._engine.offset:
                value["position"] = self._engine.offset
            latest = self.listed if key is None else None
            answer = self._pages[key] = SharedAnswer(value, latest=latest)
        return answer

    def _start(self) -> None:
        if self.worker is None and (self._has_work or not self._own):
            self.worker = asyncio.create_task(self._work(), name="hornet-presence")
            self.worker.add_done_callback(self._on_worked)

    async def _work(self) -> None:
        """Read, write and announce, in batches, until nothing is left to do."""
        try:
            await self._subscribed
        except RedisUnavailable as error:
            self._give_up(error)
            return
        while self._has_work:
            try:
                if self._view.is_stale:
                    await self._read()
                await self._write()
            except RedisUnavailable as error:
                log.warning("Presence on %r waits for Redis: %s", self.name, error)
                self._dismiss_all(error)
                await asyncio.sleep(RETRY_S)
                continue
            await self._announce()
            await asyncio.sleep(BATCH_S)

    def _give_up(self, why: RedisUnavailable) -> None:
        """Refuse all newcomers: no session can be a member on a node that misses the notices of others."""
        self._has_ended = True
        self._on_end(self)
        for key in tuple(self._newcomers):
            self._dismiss(key, why)

    def _on_worked(self, task: asyncio.Task[None]) -> None:
        self.worker = None
        if self._has_ended:
            return
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The presence of %r failed", self.name, exc_info=error)
            self._dismiss_all(RedisUnavailable("presence failed"))
        elif self._has_work and not task.cancelled():
            self._start()
        elif not self._own:
            self.close()
            self._on_end(self)

    async def _read(self) -> None:
        losses = self._view.losses
        snapshot = await self._store.read(self.name)
        self._view.reset(snapshot, losses)
        for key in self._lingering.keys() - snapshot.sessions.keys() - self._unwritten.keys():
            self._forget(key)
        self._unwritten.update(dict.fromkeys(self._own.keys() - snapshot.sessions.keys()))
        if self._view.is_settling and self._settling is None:
            log.warning("Redis lost the members of %r: the nodes write them again", self.name)
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(SETTLE_S, self._settle)

    def _settle(self) -> None:
        self._settling = None
        self._view.settle()
        self._start()

    async def _write(self) -> None:
        self._refuse_too_many()
        while self._unwritten:
            if not self._is_registered:
                await self._store.register(self.name)
                self._is_registered = True
            keys = list(self._unwritten)[:SESSIONS_PER_SCRIPT]
            put = {key: self._own[key] for key in keys if key in self._own}
            gone = [key for key in keys if key not in self._own]
            for key in keys:
                del self._unwritten[key]
            try:
                notice = await self._store.change(self.name, put, gone)
            except RedisUnavailable:
                self._unwritten.update(dict.fromkeys(keys))
                raise
            # The notice also arrives through the subscription. It must wait if earlier ones still do.
            if notice is not None and self._view.is_next(notice):
                self._view.apply(notice)
        if not self._own and self._is_registered:
            await self._store.unregister(self.name)
            self._is_registered = False

    def _refuse_too_many(self) -> None:
        most, added = self._settings().max_members, set[str]()
        roster = self._view.roster
        for key in [key for key in self._newcomers if key in self._unwritten]:
            member_id = self._own[key].id
            if roster.has_member(member_id) or member_id in added:
                continue
            if roster.members + len(added) < most:
                added.add(member_id)
                continue
            del self._own[key], self._unwritten[key]
            self._dismiss(key, RefusedEvent(codes.TOO_MANY_MEMBERS, f"A channel has {most} members at most"))

    async def _announce(self) -> None:
        """Send one batch: the changes to all members, then the whole list to each newcomer."""
        changes = self._view.roster.take_changes()
        self._pages.clear()
        self._list = None
        for kind, members in (("presence-quit", changes.gone), ("presence-add", changes.added)):
            for start in range(0, len(members), MEMBERS_PER_MESSAGE):
                self._send({"type": kind, "members": as_json(members[start : start + MEMBERS_PER_MESSAGE])})
        self._announce_count()
        keys = [key for key in self._newcomers if key in self._view.roster]
        for start in range(0, len(keys), NEWCOMERS_PER_TURN):
            if start:
                await asyncio.sleep(0)
            for key in keys[start : start + NEWCOMERS_PER_TURN]:
                self._welcome(key)

    def _announce_count(self) -> None:
        """Tell the members of a crowd how many they are, and once more when all of them are listed again."""
        count, now = self._crowd_count, asyncio.get_running_loop().time()
        if count != self._announced_count and now >= self._count_due:
            self._announced_count = count
            self._count_due = now + COUNT_S
            self._send({"type": "presence-count", "count": self._view.roster.count})

    def _send(self, body: dict[str, Any]) -> None:
        message = Message(self.name, {**body, "channel": self.name})
        self._engine.fan_out(presence_room(self.name), message)

    def _welcome(self, key: str) -> None:
        """Answer a newcomer with the list; it gets every change from the next batch on."""
        newcomer = self._newcomers.get(key)
        if newcomer is None or key not in self._view.roster:  # it left while others were answered
            return
        del self._newcomers[key]
        if newcomer.session.state is AuthState.CLOSED:
            return
        if newcomer.answer is None:
            self._engine.enter(newcomer.session.sid, presence_room(self.name))
            self._engine.tell(newcomer.session.sid, self._list_message())
        elif not newcomer.answer.done():
            self._engine.enter(newcomer.session.sid, presence_room(self.name))
            newcomer.answer.set_result(self.listed())

    def _list_message(self) -> PreparedMessage:
        if self._list is None:
            body = {"type": "presence-list", **self._view.roster.listed.as_json(), "channel": self.name}
            self._list = PreparedMessage(Message(self.name, body))
        return self._list

    def _dismiss(self, key: str, why: HornetError) -> None:
        newcomer = self._newcomers.pop(key, None)
        if newcomer is not None and newcomer.answer is not None and not newcomer.answer.done():
            newcomer.answer.set_exception(why)

    def _dismiss_all(self, why: HornetError) -> None:
        """Refuse all newcomers. Redis may have them by now, so they are taken out again."""
        for key in [key for key, newcomer in self._newcomers.items() if newcomer.answer is not None]:
            if key not in self._view.roster:
                del self._own[key]
                self._unwritten[key] = None
            self._dismiss(key, why)


def _left() -> RefusedEvent:
    return RefusedEvent(codes.SESSION_ENDED, "The session left meanwhile")
