"""What precedes a subscription: the last messages of a channel, or those since a position, and then the rest.

Between the past, which is read from Redis, and what this node hears, nothing may be missing, and nothing may
come twice. These steps make that sure:

1. The node is subscribed to the channel. The session is not in its room: what is heard waits for it, in the
   node's ring.
2. The history is read. Some of it was published before the subscription, and is never heard. Some is on its
   way to the node, or was heard meanwhile.
3. The node has Redis send it a mark. All that was read was published before the mark, so with the mark it has
   been heard, if it is ever heard.
4. In one step the session enters the room, and gets the answer, the past, and what was heard since step 1.
   What is in both comes once, by its id.

A client that was here a moment ago needs none of this, if the ring has all since then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from hornet.broker.history import HistoryStore, Missing
from hornet.broker.keys import channel_topic
from hornet.core import codes
from hornet.core.errors import RedisUnavailable
from hornet.core.history import StreamPosition
from hornet.core.merge import merge, recorded_entry
from hornet.core.message_ring import RingEntry
from hornet.core.messages import Message
from hornet.core.past import Rewind, is_for, parse_recorded
from hornet.core.sessions import AuthState
from hornet.engine import Engine
from hornet.flows.channels.history import names_of
from hornet.flows.channels.rooms import room_of
from hornet.flows.recovery.catching_up import CatchingUp
from hornet.flows.recovery.inflow import Inflow
from hornet.flows.recovery.settings import RecoverySettings
from hornet.flows.sessions.router import RefusedEvent
from hornet.flows.sessions.sessions import Session

log = logging.getLogger(__name__)


WAIT_S = 5.0
"""How long a client waits for the mark, before it is told that the past is not whole."""


@dataclass(frozen=True, slots=True)
class Past:
    """The messages that a session gets before all others, and whether these are all that it asked for."""

    messages: list[Message]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What was read from the history, oldest first."""

    entries: list[RingEntry]
    is_whole: bool


class Rewinding:
    """Puts a session into the room of a channel that it joins, behind the past that it asked for."""

    def __init__(
        self,
        *,
        engine: Engine,
        store: HistoryStore,
        inflow: Inflow,
        catching_up: CatchingUp,
        save: Callable[[Session], Awaitable[object]],
        settings: RecoverySettings,
    ) -> None:
        """``save`` writes the record of a session that may come back, before its client is answered."""
        self._engine = engine
        self._store = store
        self._inflow = inflow
        self._catching_up = catching_up
        self._save = save
        self.configure(settings)

    def configure(self, settings: RecoverySettings) -> None:
        """Follow ``settings`` from now on."""
        self._max_bytes = settings.replay_bytes

    async def enter(self, session: Session, channel: str, rewind: Rewind) -> Past:
        """Put a session that joined ``channel`` just now back into its room, and return what it missed.

        The caller must send the past in the step in which this returns. It is not whole where Redis does not
        answer.

        Raises:
            RefusedEvent: ``SESSION_ENDED``: the session left the channel meanwhile.
        """
        room, topic = room_of(channel), channel_topic(channel)
        from_number, is_back = self._covered_from(topic, rewind), False
        recorded = _Recorded([], is_whole=True)
        began = self._inflow.ring.number
        self._engine.leave(session.sid, room)
        try:
            if from_number is None:
                recorded = await self._read(channel, rewind)
                async with asyncio.timeout(WAIT_S):
                    await self._catching_up.wait()
            await self._save(session)
        except (RedisUnavailable, TimeoutError) as error:
            log.warning("The past of a channel can't be read: %s", error)
            recorded = _Recorded([], is_whole=False)
        finally:
            if channel in session.channels and session.state is not AuthState.CLOSED:
                is_back = session.sid in self._engine.members(room)
                self._engine.enter(session.sid, room)
        if channel not in session.channels or session.state is AuthState.CLOSED:
            raise RefusedEvent(codes.SESSION_ENDED)
        received = self._inflow.ring.since(topic, began if from_number is None else from_number)
        if received is None or is_back:
            return Past([], is_whole=False)
        return _join(session, channel, rewind, recorded, received)

    def _covered_from(self, topic: str, rewind: Rewind) -> int | None:
        """Return from which number on the ring has all that a client missed; None where it may lack some."""
        offset, here, ring = rewind.offset, self._inflow.offset, self._inflow.ring
        if offset is None or (offset.node, offset.epoch) != (here.node, here.epoch):
            return None
        entries = ring.since(topic, offset.number)
        if entries is None or sum(len(entry.payload) for entry in entries) > self._max_bytes:
            return None
        return offset.number

    async def _read(self, channel: str, rewind: Rewind) -> _Recorded:
        topic = channel_topic(channel)
        since = rewind.since or StreamPosition(self._inflow.position.epoch, 0)
        answer = await self._store.read([Missing(topic, since, self._max_bytes)])
        if rewind.since is None and answer.position.epoch != since.epoch:
            since = StreamPosition(answer.position.epoch, 0)
            answer = await self._store.read([Missing(topic, since, self._max_bytes)])
        [history] = answer.topics
        entries = [recorded_entry(topic, topic, entry.json, entry.id) for entry in history.entries]
        if rewind.since is None:
            return _Recorded(entries, is_whole=True)
        return _Recorded(entries, history.is_whole and history.has_all_after(since.id))


def _join(
    session: Session, channel: str, rewind: Rewind, recorded: _Recorded, received: list[RingEntry]
) -> Past:
    """Put what was read and what was heard together, as far as the client asked for it."""
    if not recorded.is_whole:
        return Past(list(_visible(session, channel, received)), is_whole=False)
    if rewind.since is None:
        known = {entry.id for entry in received}
        before = [entry for entry in recorded.entries if entry.id not in known]
        last = list(_visible(session, channel, before))[-(rewind.count or 0) :]
        return Past([*last, *_visible(session, channel, received)], is_whole=True)
    new = [entry for entry in received if not 0 < entry.id <= rewind.since.id]
    return Past(list(_visible(session, channel, merge(recorded.entries, new))), is_whole=True)


def _visible(session: Session, channel: str, entries: Iterable[RingEntry]) -> Iterable[Message]:
    """Yield the messages that are for the session."""
    names = names_of(session)
    for entry in entries:
        message = parse_recorded(channel, entry.payload)
        if message is not None and is_for(message, names):
            yield message
