"""From one message to every recipient's transport: encoded once, joined for each socket, a slice at a time.

What is sent within one turn of the event loop is *held*, then becomes for each recipient one write of
joined frames. Recipients of the same messages share the joined bytes (a ``Plan``). A system call costs
some 5 µs, and all else here a fraction of one, so joining is what makes a burst cheap.

**Order.** A socket gets its messages in the order of the calls, over all rooms. Messages for a socket
with older ones on their way wait until those are written.

**Slices.** Recipients that wait to be written to are taken ``SLICE`` at a time, with a turn of the loop
between, so that pings, polls and other connections go on. What is sent meanwhile is held and joined to
the next round: under load rounds get longer writes, not more of them. Only a message for few recipients,
none of whom has anything on its way, passes at once.

**Membership** is that of the moment of the call: a room that changes while a message for it is held
freezes the recipients first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from hornet.engine.counts import Counts
from hornet.engine.prepared import Plan, Prepared
from hornet.engine.rooms import Room
from hornet.engine.session import Session

SLICE = 256
"""Sockets written to in one turn: some 1.5 ms of system calls. Larger slices are no cheaper."""

FEW = 16
"""A message for as many recipients may pass a larger fan-out."""


class Run:
    """Messages held for the members of a room, or for given sessions."""

    __slots__ = ("messages", "room", "targets")

    def __init__(self, room: Room | None, targets: Collection[Session]) -> None:
        self.room = room
        self.targets = targets
        self.messages: list[tuple[int, Prepared]] = []

    def freeze(self) -> None:
        """Keep the recipients of this moment; the room may change."""
        if self.room is not None:
            self.targets = tuple(self.targets)
            self.room.run = None
            self.room = None

    def is_for(self, session: Session) -> bool:
        """Whether the session is among the recipients; asked rarely, so no set is kept for it."""
        if self.room is None:
            if not isinstance(self.targets, frozenset):
                self.targets = frozenset(self.targets)
            return session in self.targets
        members = self.room.members
        return any(members.get(sid) is session for sid in session.sids())


class FanOut:
    """All that is on its way to the sessions of one node."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._number = 0
        self._held: list[Run] = []
        self._singles: dict[Session, list[tuple[int, Prepared]]] = {}
        self._waiting: dict[Session, Plan] = {}

    @property
    def is_busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._held or self._singles or self._waiting)

    def to_room(self, room: Room, message: Prepared) -> int:
        """Queue a message for all members of a room; returns how many they are."""
        members = room.members
        size = len(members)
        if size <= FEW and (self._waiting or self._held):
            self._few(tuple(members.values()), message)
        elif size:
            run = room.run
            if run is None:
                run = room.run = Run(room, members.values())
                self._held.append(run)
            self._hold(run, message)
        return size

    def to_sessions(self, sessions: Collection[Session], message: Prepared) -> int:
        """Queue a message for given sessions; returns how many they are."""
        if len(sessions) <= FEW:
            self._few(sessions, message)
        else:
            run = Run(None, sessions)
            self._held.append(run)
            self._hold(run, message)
        return len(sessions)

    def to_session(self, session: Session, message: Prepared) -> None:
        """Send a message to one session: now, unless something older is on its way to it."""
        if self._held or self._waiting or self._singles:
            self._few((session,), message)
        else:
            session.write_message(message)

    def flush(self, session: Session) -> None:
        """Write at once all that is on its way to one session; for before it is closed."""
        plan = self._waiting.pop(session, None)
        if plan is not None:
            self._write_to(session, plan)
        messages = self._singles.pop(session, [])
        for run in self._held:
            if run.is_for(session):
                messages = messages + run.messages
        if messages:
            messages.sort(key=lambda entry: entry[0])
            self._write_to(session, Plan([message for _, message in messages]))

    def _hold(self, run: Run, message: Prepared) -> None:
        self._number += 1
        run.messages.append((self._number, message))
        self._schedule()

    def _few(self, sessions: Collection[Session], message: Prepared) -> None:
        """Join what may be joined within this turn, behind what each session has on its way."""
        self._number += 1
        singles = self._singles
        for session in sessions:
            messages = singles.get(session)
            if messages is None:
                singles[session] = [(self._number, message)]
            else:
                messages.append((self._number, message))
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._waiting:
            self._pass_singles()
        elif self._held or self._singles:
            self._waiting = self._plan()
        self._write(SLICE)
        if self._waiting or self._held or self._singles:
            self._schedule()

    def _pass_singles(self) -> None:
        """Write to those who have nothing older on its way, while a larger fan-out goes on."""
        if not self._singles:
            return
        blocked: dict[Session, list[tuple[int, Prepared]]] = {}
        for session, messages in self._singles.items():
            if session in self._waiting or any(run.is_for(session) for run in self._held):
                blocked[session] = messages
            else:
                self._write_to(session, Plan([message for _, message in messages]))
        self._singles = blocked

    def _plan(self) -> dict[Session, Plan]:
        """What each recipient of all that is held shall get."""
        held, self._held = self._held, []
        singles, self._singles = self._singles, {}
        for run in held:
            if run.room is not None:
                run.room.run = None
        if len(held) == 1 and not singles:
            return dict.fromkeys(held[0].targets, Plan([message for _, message in held[0].messages]))
        runs_of: dict[Session, int] = {}
        for number, run in enumerate(held):
            bit = 1 << number
            for session in run.targets:
                runs_of[session] = runs_of.get(session, 0) | bit
        plans: dict[int, Plan] = {}
        waiting: dict[Session, Plan] = {}
        for session, bits in runs_of.items():
            if session in singles:
                continue
            plan = plans.get(bits)
            if plan is None:
                plan = plans[bits] = _join(held, bits, [])
            waiting[session] = plan
        for session, messages in singles.items():
            waiting[session] = _join(held, runs_of.get(session, 0), messages)
        return waiting

    def _write(self, limit: int) -> None:
        """Write to as many of those who wait. The loop that all the speed is about."""
        waiting = self._waiting
        take = waiting.popitem
        count = size = 0
        for _ in range(min(limit, len(waiting))):
            session, plan = take()
            ws = session.ws
            if ws is None:
                session.enqueue_plan(plan)
            else:
                kind = session.kind
                data = plan.frames[kind] or plan.make_frames(kind)
                ws.write(data)
                count += 1
                size += len(data)
        self._counts.writes += count
        self._counts.bytes_out += size

    def _write_to(self, session: Session, plan: Plan) -> None:
        self._waiting[session] = plan
        self._write(1)


def _join(held: list[Run], bits: int, singles: list[tuple[int, Prepared]]) -> Plan:
    """The messages of the runs in ``bits`` and of ``singles``, in the order of their calls."""
    messages = list(singles)
    for number, run in enumerate(held):
        if bits >> number & 1:
            messages += run.messages
    messages.sort(key=lambda entry: entry[0])
    return Plan([message for _, message in messages])
