"""The way of a message to every recipient's socket: encoded once, joined for each socket, a slice at a time.

Messages that are sent within one turn of the event loop are *pending*. In the next turn they become one write
of joined frames for each recipient. Recipients of the same messages share the joined bytes (``FrameBatch``).
A system call costs some 5 µs, and all else here a fraction of one, so joining makes a burst cheap.

**Order.** A socket gets its messages in the order of the calls, over all rooms. Messages for a socket
with older ones on their way wait until those are written.

**Slices.** ``SLICE`` recipients are written to in one turn, so that pings, polls and other connections go on
between two slices. Further messages for the same room join the broadcast that is under way
(``CircularBroadcast``). All other messages are pending until the broadcast is over. So under load writes get
longer, not more. Only a message for few recipients passes at once, if none of them has a message on its way.

**Membership** is that of the moment of the call: before a room changes, it calls ``on_change``, and the
fan-out keeps the recipients of the messages that are pending or under way.

**Sockets.** The compiled loop (``transport.direct_write``), where there is one, writes to plain sockets whose
transports have nothing left to write. All other sockets are written to through their transports. The bytes
that a plain socket does not take go through its transport as well. ``Recipients`` holds the data of the loop,
made once for a room and not for each message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

from hornet.engine.counts import Counts
from hornet.engine.rooms.rooms import Recipients, Room
from hornet.engine.transport.direct_write import NOT_TRIED, SendEach, WriteLeases
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import LONG_BYTES, FrameBatch, Prepared

SLICE = 256
"""Sockets written to in one turn: some 2 ms of system calls. Larger slices are no cheaper, and a message that
comes meanwhile waits for the end of the slice before it can join."""

FEW = 16
"""A message for at most so many recipients may pass a larger fan-out."""

Numbered = tuple[int, Prepared]
"""A message with its number in the order of the calls."""


class PendingBatch:
    """Messages that wait for the next turn: for the members of a room, or for given sessions."""

    __slots__ = ("messages", "room", "sessions")

    def __init__(self, room: Room | None, sessions: Collection[EngineSession]) -> None:
        self.room = room
        self.sessions = sessions
        self.messages: list[Numbered] = []

    def freeze(self) -> None:
        """Keep the recipients of this moment; the room is about to change."""
        self.sessions = tuple(self.sessions)
        self.room = None

    def is_for(self, session: EngineSession) -> bool:
        """Return whether the session is a recipient. It is asked rarely, so the set is made when it is."""
        if self.room is not None:
            return self.room.has(session)
        if not isinstance(self.sessions, frozenset):
            self.sessions = frozenset(self.sessions)
        return session in self.sessions


class CircularBroadcast:
    """Messages that visit their recipients in a circle: the members that a room has now, or given sessions.

    A message that joins while others are under way starts at the recipient whose turn it is, and is done one
    lap later:

        recipients   0 ........ 400 ........ 999 | 0 ........ 399 |
        message A    ─────────────────────────────
        message B                ────────────────────────────────

    So a message takes one lap at most, and the next recipient gets all there is in one write. If messages
    waited for the end of the lap that is under way, some would take two.

    There is at least one message and one recipient. The broadcast is *open* while it has a ``room``: messages
    for that room may join until the room changes, or until another message has to come after those under
    way.
    """

    __slots__ = ("_index", "_messages", "_next_batch", "_visits", "recipients", "room")

    def __init__(self, room: Room | None, recipients: Recipients, messages: Sequence[Prepared]) -> None:
        self.room = room
        self.recipients = recipients
        self._visits = 0
        """How many recipients have been written to, over all laps."""
        self._messages = deque((0, message) for message in messages)
        """The messages in the order of the calls, each with the number of visits at which it joined."""
        self._index: dict[EngineSession, int] | None = None
        self._next_batch: FrameBatch | None = None

    def add(self, message: Prepared) -> None:
        """Let a message join; the broadcast must be open."""
        self._messages.append((self._visits, message))
        self._next_batch = None

    def close(self) -> None:
        """Let no further message join."""
        self.room = None

    def may_reach(self, session: EngineSession) -> bool:
        """Return whether messages that may still join would go to this session."""
        return self.room is not None and self.room.has(session)

    def unsent(self, session: EngineSession) -> list[Prepared]:
        """Return the messages that are still on their way to this session."""
        if self._index is None:
            self._index = {recipient: index for index, recipient in enumerate(self.recipients.sessions)}
        index = self._index.get(session)
        if index is None:
            return []
        size = len(self.recipients)
        return [
            message for joined, message in self._messages if joined + (index - joined) % size >= self._visits
        ]

    def take(self, limit: int) -> tuple[int, int, FrameBatch]:
        """Return where the next recipients begin and end, at most ``limit``, and the batch for each of them.

        The caller must write to them. As in a slice, the recipient at the end is not included.
        """
        size = len(self.recipients)
        start = self._visits % size
        stop = min(start + limit, size, start + self._messages[0][0] + size - self._visits)
        if self._next_batch is None:
            self._next_batch = FrameBatch([message for _, message in self._messages])
        batch = self._next_batch
        self._visits += stop - start
        while self._messages and self._messages[0][0] + size <= self._visits:
            self._messages.popleft()
            self._next_batch = None
        return start, stop, batch

    @property
    def is_over(self) -> bool:
        """Whether every message has been to every recipient."""
        return not self._messages


class FanOut:
    """All that is on its way to the sessions of one node."""

    def __init__(self, *, counts: Counts, leases: WriteLeases, send_each: SendEach | None) -> None:
        self._counts = counts
        self._leases = leases
        self._send_each = send_each
        self.offset = ""  # of each event that is made from now on: how far the node has heard
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_scheduled = False
        self._number = 0
        # Pending: messages of this turn, or behind those that are under way.
        self._pending: list[PendingBatch] = []
        self._pending_of_room: dict[Room, PendingBatch] = {}
        self._singles: dict[EngineSession, list[Numbered]] = {}
        # Under way: one broadcast; or, where several batches overlap, the batches of each recipient.
        self._broadcast: CircularBroadcast | None = None
        self._waiting: dict[EngineSession, FrameBatch] = {}

    @property
    def is_busy(self) -> bool:
        """Whether anything is pending or under way."""
        return bool(self._pending or self._singles or self._broadcast or self._waiting)

    def to_room(self, room: Room, message: Prepared) -> int:
        """Queue a message for all members of a room; return how many they are."""
        members = room.members
        size = len(members)
        if self._broadcast is not None and self._broadcast.room is room:
            self._broadcast.add(message)
        elif (pending := self._pending_of_room.get(room)) is not None:
            pending.messages.append((self._next_number(), message))
        elif size <= FEW and self.is_busy:
            self._to_few(tuple(members.values()), message)
        elif size:
            pending = self._pending_of_room[room] = PendingBatch(room, members.values())
            room.on_change = self._on_room_change
            self._hold(pending, message)
        return size

    def to_sessions(self, sessions: Collection[EngineSession], message: Prepared) -> int:
        """Queue a message for given sessions; return how many they are."""
        if len(sessions) <= FEW:
            self._to_few(sessions, message)
        else:
            self._hold(PendingBatch(None, sessions), message)
        return len(sessions)

    def to_session(self, session: EngineSession, message: Prepared) -> None:
        """Send a message to one session: now, unless something older is on its way to it."""
        if self.is_busy:
            self._to_few((session,), message)
        else:
            session.write_message(message)

    def flush(self, session: EngineSession) -> None:
        """Write all that is on its way to one session at once. Needed before the session is closed."""
        batch = self._waiting.pop(session, None)
        if batch is not None:
            self._write_one(session, batch)
        elif self._broadcast is not None and (unsent := self._broadcast.unsent(session)):
            self._write_one(session, FrameBatch(unsent))
        messages = self._singles.pop(session, [])
        for pending in self._pending:
            if pending.is_for(session):
                messages = messages + pending.messages
        if messages:
            messages.sort(key=lambda numbered: numbered[0])
            self._write_one(session, FrameBatch([message for _, message in messages]))

    def _on_room_change(self, room: Room) -> None:
        """Keep the recipients that the room has now; called before its members change."""
        room.on_change = None
        pending = self._pending_of_room.pop(room, None)
        if pending is not None:
            pending.freeze()
        if self._broadcast is not None and self._broadcast.room is room:
            self._broadcast.close()

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _hold(self, pending: PendingBatch, message: Prepared) -> None:
        if self._broadcast is not None:
            self._broadcast.close()
        pending.messages.append((self._next_number(), message))
        self._pending.append(pending)
        self._schedule()

    def _to_few(self, sessions: Collection[EngineSession], message: Prepared) -> None:
        """Queue a message for each of a few sessions, behind the messages that it has on its way."""
        number = self._next_number()
        singles = self._singles
        for session in sessions:
            if self._broadcast is not None and self._broadcast.may_reach(session):
                self._broadcast.close()
            messages = singles.get(session)
            if messages is None:
                singles[session] = [(number, message)]
            else:
                messages.append((number, message))
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Do one turn's share of the writing."""
        self._is_scheduled = False
        if self._broadcast is not None or self._waiting:
            self._pass_singles()
        elif self._pending or self._singles:
            self._start()
        if self._broadcast is not None:
            self._write_slice(self._broadcast)
        elif self._waiting:
            self._write_waiting()
        if self.is_busy:
            self._schedule()

    def _pass_singles(self) -> None:
        """Write to sessions that have nothing older on its way, while a larger fan-out goes on."""
        if not self._singles:
            return
        blocked: dict[EngineSession, list[Numbered]] = {}
        for session, messages in self._singles.items():
            if (
                session in self._waiting
                or (self._broadcast is not None and self._broadcast.unsent(session))
                or any(pending.is_for(session) for pending in self._pending)
            ):
                blocked[session] = messages
            else:
                self._write_one(session, FrameBatch([message for _, message in messages]))
        self._singles = blocked

    def _start(self) -> None:
        """Begin to write all that is pending."""
        pending, self._pending = self._pending, []
        singles, self._singles = self._singles, {}
        self._pending_of_room.clear()
        if len(pending) == 1 and not singles:
            only = pending[0]
            recipients = Recipients(only.sessions) if only.room is None else only.room.recipients()
            self._broadcast = CircularBroadcast(
                only.room, recipients, [message for _, message in only.messages]
            )
            return
        # Bit n of a session's bits stands for the nth batch. Sessions with the same bits share their frames.
        bits_of: dict[EngineSession, int] = {}
        for number, batch in enumerate(pending):
            bit = 1 << number
            for session in batch.sessions:
                bits_of[session] = bits_of.get(session, 0) | bit
        frames_of: dict[int, FrameBatch] = {}
        for session, bits in bits_of.items():
            if session in singles:
                continue
            frames = frames_of.get(bits)
            if frames is None:
                frames = frames_of[bits] = _join(pending, bits, [])
            self._waiting[session] = frames
        for session, messages in singles.items():
            self._waiting[session] = _join(pending, bits_of.get(session, 0), messages)

    def _write_slice(self, broadcast: CircularBroadcast) -> None:
        """Write to the next recipients of the broadcast."""
        left = SLICE
        while left and not broadcast.is_over:
            start, stop, batch = broadcast.take(left)
            left -= stop - start
            self._write(broadcast.recipients, start, stop, batch)
        if broadcast.is_over:
            self._broadcast = None

    def _write_waiting(self) -> None:
        """Write to the next sessions that wait, those with the same messages together."""
        take = self._waiting.popitem
        sessions_of: dict[FrameBatch, list[EngineSession]] = {}
        for _ in range(min(SLICE, len(self._waiting))):
            session, batch = take()
            sessions = sessions_of.get(batch)
            if sessions is None:
                sessions_of[batch] = [session]
            else:
                sessions.append(session)
        for batch, sessions in sessions_of.items():
            self._write(Recipients(sessions), 0, len(sessions), batch)

    def _write_one(self, session: EngineSession, batch: FrameBatch) -> None:
        self._write(Recipients((session,)), 0, 1, batch)

    def _write(self, recipients: Recipients, start: int, stop: int, batch: FrameBatch) -> None:
        """Write the same messages to each recipient from ``start`` to ``stop``: the hot loop of a node."""
        if self._send_each is None:
            for session in recipients.sessions[start:stop]:
                self._write_through(session, batch, 0)
            return
        for wire_format, first, last in recipients.formats(start, stop):
            frames = batch.frames.get(wire_format) or batch.make_frames(wire_format)
            if not frames:  # none of it could be encoded
                continue
            rest = self._send_each(
                recipients.sockets, recipients.leases, self._leases.valid, first, last, frames
            )
            done = last - first - len(rest)
            self._counts.bytes_out += done * len(frames)
            if rest:
                self._write_rest(recipients, rest, batch)

    def _write_rest(self, recipients: Recipients, rest: list[tuple[int, int]], batch: FrameBatch) -> None:
        """Write to the recipients whose sockets were not tried, or did not take all."""
        again = []
        for index, sent in rest:
            session = recipients.sessions[index]
            if sent == NOT_TRIED and session.is_clear:
                recipients.is_stale |= session.lease != recipients.leases[index]
                self._leases.renew(session.socket, session.lease)
                again.append(session)
            else:
                self._write_through(session, batch, max(0, sent))
        if again:
            self._write(Recipients(again), 0, len(again), batch)

    def _write_through(self, session: EngineSession, batch: FrameBatch, sent: int) -> None:
        """Write all but the first ``sent`` bytes through the transport, within its limits; or queue it."""
        if session.ws is None:
            session.enqueue_batch(batch)
            return
        try:
            frames = batch.frames[session.wire_format]  # a call of ``get`` costs more, for each session
        except KeyError:
            frames = batch.make_frames(session.wire_format)
        if len(frames) >= LONG_BYTES:
            session.transport.make_room(batch.longest(session.wire_format))
        session.put(frames[sent:])
        self._counts.bytes_out += len(frames)


def _join(pending: list[PendingBatch], bits: int, singles: list[Numbered]) -> FrameBatch:
    """Return the messages of the batches in ``bits`` and of ``singles``, in the order of their calls."""
    messages = list(singles)
    for number, batch in enumerate(pending):
        if bits >> number & 1:
            messages += batch.messages
    messages.sort(key=lambda numbered: numbered[0])
    return FrameBatch([message for _, message in messages])
