"""From one message to every recipient's socket: encoded once, joined for each socket, a slice at a time.

What is sent within one turn of the event loop is *held*, then becomes for each recipient one write of
joined frames. Recipients of the same messages share the joined bytes (a ``FrameBatch``). A system call costs
some 5 µs, and all else here a fraction of one, so joining is what makes a burst cheap.

**Order.** A socket gets its messages in the order of the calls, over all rooms. Messages for a socket
with older ones on their way wait until those are written.

**Slices.** Recipients are written to ``SLICE`` at a time, with a turn of the loop between, so that pings,
polls and other connections go on. Further messages for the same room get on the round that is under way
(``rounds``); anything else is held until it is over. So under load writes get longer, not more. Only a
message for few recipients, none of whom has anything on its way, passes at once.

**Membership** is that of the moment of the call: a room that changes while a message for it is held, or
under way, freezes the recipients first.

**Sockets.** A plain socket whose transport has nothing left to write is written to by the compiled loop
(``sockets``), where there is one; all others, and what such a socket does not take, through the transport.
Recipients are lined up for that once for a room (``lineup``), not for each message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from hornet.engine.counts import Counts
from hornet.engine.rooms.circular import CircularBroadcast
from hornet.engine.rooms.recipients import Recipients
from hornet.engine.rooms.rooms import Room
from hornet.engine.transport.direct_write import NOT_TRIED, SendEach, WriteLeases
from hornet.engine.transport.session import EngineSession
from hornet.engine.wire.prepared import FrameBatch, Prepared

SLICE = 256
"""Sockets written to in one turn: some 2 ms of system calls. Larger slices are no cheaper, and a message that
comes meanwhile waits for the end of one before it can get on."""

FEW = 16
"""A message for as many recipients may pass a larger fan-out."""


class PendingBatch:
    """Messages held for the members of a room, or for given sessions."""

    __slots__ = ("messages", "room", "targets")

    def __init__(self, room: Room | None, targets: Collection[EngineSession]) -> None:
        self.room = room
        self.targets = targets
        self.messages: list[tuple[int, Prepared]] = []

    def freeze(self) -> None:
        """Keep the recipients of this moment; the room may change."""
        if self.room is not None:
            self.targets = tuple(self.targets)
            self.room.run = None
            self.room = None

    def is_for(self, session: EngineSession) -> bool:
        """Whether the session is among the recipients; asked rarely, so no set is kept for it."""
        if self.room is not None:
            return self.room.has(session)
        if not isinstance(self.targets, frozenset):
            self.targets = frozenset(self.targets)
        return session in self.targets


class FanOut:
    """All that is on its way to the sessions of one node."""

    def __init__(self, counts: Counts, leases: WriteLeases, send_each: SendEach | None = None) -> None:
        self._counts = counts
        self._leases = leases
        self._send_each = send_each
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._number = 0
        self._held: list[PendingBatch] = []
        self._singles: dict[EngineSession, list[tuple[int, Prepared]]] = {}
        # What is being written: a round, or, where runs are mixed, each recipient's own plan.
        self._round: CircularBroadcast | None = None
        self._waiting: dict[EngineSession, FrameBatch] = {}

    @property
    def is_busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._held or self._singles or self._round or self._waiting)

    def to_room(self, room: Room, message: Prepared) -> int:
        """Queue a message for all members of a room; returns how many they are."""
        members = room.members
        size = len(members)
        if room.round is not None:
            room.round.add(message)
        elif room.run is not None:
            room.run.messages.append((self._next_number(), message))
        elif size <= FEW and self.is_busy:
            self._few(tuple(members.values()), message)
        elif size:
            room.run = PendingBatch(room, members.values())
            self._hold(room.run, message)
        return size

    def to_sessions(self, sessions: Collection[EngineSession], message: Prepared) -> int:
        """Queue a message for given sessions; returns how many they are."""
        if len(sessions) <= FEW:
            self._few(sessions, message)
        else:
            self._hold(PendingBatch(None, sessions), message)
        return len(sessions)

    def to_session(self, session: EngineSession, message: Prepared) -> None:
        """Send a message to one session: now, unless something older is on its way to it."""
        if self.is_busy:
            self._few((session,), message)
        else:
            session.write_message(message)

    def flush(self, session: EngineSession) -> None:
        """Write at once all that is on its way to one session; for before it is closed."""
        plan = self._waiting.pop(session, None)
        if plan is not None:
            self._write_one(session, plan)
        elif self._round is not None and (owed := self._round.owes(session)):
            self._write_one(session, FrameBatch(owed))
        messages = self._singles.pop(session, [])
        for run in self._held:
            if run.is_for(session):
                messages = messages + run.messages
        if messages:
            messages.sort(key=lambda entry: entry[0])
            self._write_one(session, FrameBatch([message for _, message in messages]))

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _hold(self, run: PendingBatch, message: Prepared) -> None:
        if self._round is not None:
            self._round.freeze()
        run.messages.append((self._next_number(), message))
        self._held.append(run)
        self._schedule()

    def _few(self, sessions: Collection[EngineSession], message: Prepared) -> None:
        """Join what may be joined within this turn, behind what each session has on its way."""
        number = self._next_number()
        singles = self._singles
        for session in sessions:
            if self._round is not None and self._round.may_concern(session):
                self._round.freeze()
            messages = singles.get(session)
            if messages is None:
                singles[session] = [(number, message)]
            else:
                messages.append((number, message))
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._round is not None or self._waiting:
            self._pass_singles()
        elif self._held or self._singles:
            self._start()
        if self._round is not None:
            self._go_round(self._round)
        elif self._waiting:
            self._write_waiting()
        if self.is_busy:
            self._schedule()

    def _pass_singles(self) -> None:
        """Write to those who have nothing older on its way, while a larger fan-out goes on."""
        if not self._singles:
            return
        blocked: dict[EngineSession, list[tuple[int, Prepared]]] = {}
        for session, messages in self._singles.items():
            if (
                session in self._waiting
                or (self._round is not None and self._round.owes(session))
                or any(run.is_for(session) for run in self._held)
            ):
                blocked[session] = messages
            else:
                self._write_one(session, FrameBatch([message for _, message in messages]))
        self._singles = blocked

    def _start(self) -> None:
        """Begin to write all that is held."""
        held, self._held = self._held, []
        singles, self._singles = self._singles, {}
        for run in held:
            if run.room is not None:
                run.room.run = None
        if len(held) == 1 and not singles:
            run = held[0]
            recipients = Recipients(run.targets) if run.room is None else run.room.line_up()
            self._round = CircularBroadcast(run.room, recipients, [message for _, message in run.messages])
            return
        runs_of: dict[EngineSession, int] = {}
        for number, run in enumerate(held):
            bit = 1 << number
            for session in run.targets:
                runs_of[session] = runs_of.get(session, 0) | bit
        plans: dict[int, FrameBatch] = {}
        for session, bits in runs_of.items():
            if session in singles:
                continue
            plan = plans.get(bits)
            if plan is None:
                plan = plans[bits] = _join(held, bits, [])
            self._waiting[session] = plan
        for session, messages in singles.items():
            self._waiting[session] = _join(held, runs_of.get(session, 0), messages)

    def _go_round(self, turning: CircularBroadcast) -> None:
        """Write to the next recipients of the round."""
        left = SLICE
        while left and not turning.is_over:
            start, stop, plan = turning.take(left)
            left -= stop - start
            self._write(turning.recipients, start, stop, plan)
        if turning.is_over:
            turning.freeze()
            self._round = None

    def _write_waiting(self) -> None:
        """Write to the next of those who have plans of their own, those with the same plan together."""
        take = self._waiting.popitem
        sessions_of: dict[FrameBatch, list[EngineSession]] = {}
        for _ in range(min(SLICE, len(self._waiting))):
            session, plan = take()
            sessions = sessions_of.get(plan)
            if sessions is None:
                sessions_of[plan] = [session]
            else:
                sessions.append(session)
        for plan, sessions in sessions_of.items():
            self._write(Recipients(sessions), 0, len(sessions), plan)

    def _write_one(self, session: EngineSession, plan: FrameBatch) -> None:
        self._write(Recipients((session,)), 0, 1, plan)

    def _write(self, recipients: Recipients, start: int, stop: int, plan: FrameBatch) -> None:
        """Write the same messages to each from ``start`` to ``stop``. What all the speed is about."""
        if self._send_each is None:
            for session in recipients.sessions[start:stop]:
                self._write_through(session, plan, 0)
            return
        for wire_format, first, last in recipients.formats(start, stop):
            frames = plan.frames[wire_format] or plan.make_frames(wire_format)
            if not frames:  # none of it could be encoded
                continue
            rest = self._send_each(
                recipients.sockets, recipients.leases, self._leases.valid, first, last, frames
            )
            done = last - first - len(rest)
            self._counts.bytes_out += done * len(frames)
            if rest:
                self._write_rest(recipients, rest, plan)

    def _write_rest(self, recipients: Recipients, rest: list[tuple[int, int]], plan: FrameBatch) -> None:
        """See to those whose sockets were not tried, or did not take all."""
        again = []
        for index, sent in rest:
            session = recipients.sessions[index]
            if sent == NOT_TRIED and session.is_clear:
                recipients.is_stale |= session.lease != recipients.leases[index]
                self._leases.renew(session.socket, session.lease)
                again.append(session)
            else:
                self._write_through(session, plan, max(0, sent))
        if again:
            self._write(Recipients(again), 0, len(again), plan)

    def _write_through(self, session: EngineSession, plan: FrameBatch, sent: int) -> None:
        """Write all but the first ``sent`` bytes through the transport, bounds and all; or queue it."""
        if session.ws is None:
            session.enqueue_plan(plan)
            return
        frames = plan.frames[session.wire_format] or plan.make_frames(session.wire_format)
        session.put(frames[sent:])
        self._counts.bytes_out += len(frames)


def _join(held: list[PendingBatch], bits: int, singles: list[tuple[int, Prepared]]) -> FrameBatch:
    """The messages of the runs in ``bits`` and of ``singles``, in the order of their calls."""
    messages = list(singles)
    for number, run in enumerate(held):
        if bits >> number & 1:
            messages += run.messages
    messages.sort(key=lambda entry: entry[0])
    return FrameBatch([message for _, message in messages])
