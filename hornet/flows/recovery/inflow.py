"""The way of published messages into this node: in the order of Redis, each once, with nothing left out.

Every message on the topic of a channel, a user or a pattern goes through the :class:`Inflow`. It takes out
what Redis wrote into a recorded message, drops what the node has already heard, keeps the message in the
ring, gives the engine the offset, and hands the message to its flow.

While something is missing, all that arrives waits in order: an offset cuts all channels at once, so a later
message of another channel must not go out before. :mod:`hornet.flows.recovery.repairs` meanwhile reads the
history.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from hornet.broker.subscription_connection import Receive, ReceiveMatch
from hornet.core.history import NO_EPOCH, Offset, Stamp, StreamPosition, split_stamp
from hornet.core.merge import merge
from hornet.core.message_chains import Link, MessageChains
from hornet.core.message_ring import MessageRing

MAX_WAITING_BYTES = 16_777_216
"""What may wait for a repair. Beyond it the node goes on, and tells that something may be missing."""

ARRIVAL_BYTES = 400
"""What a message that waits takes beside its payload."""

MAX_FORMER_EPOCHS = 16
"""How many epochs are known again when Redis returns to them."""

PER_TURN = 256
"""How many messages that waited are delivered before the loop may run something else. That is more than the
subscriber takes in a turn, so what waits gets less."""


@dataclass(slots=True, eq=False)
class Inbound:
    """A message that waits, or that was read from the history. ``source`` is its topic, or its glob.

    With ``act`` it is no message: ``act`` is called in its place.
    """

    source: str
    topic: str
    payload: bytes
    stamp: Stamp | None
    cut: int
    act: Callable[[], object] | None = None

    @property
    def id(self) -> int:
        return 0 if self.stamp is None else self.stamp.id


class Inflow:
    """Passes on what this node hears, to the flows given to :meth:`through` and :meth:`through_match`.

    ``note_plain`` is called with the source and the topic of each plain publish.
    """

    def __init__(
        self,
        *,
        node: str,
        ring: MessageRing,
        set_offset: Callable[[str], None],
        note_plain: Callable[[str, str], None],
    ) -> None:
        self.ring = ring
        self.chains = MessageChains()
        self.doubles = 0
        """How many messages were dropped because the node had already heard them."""
        self._node = node
        self._set_offset = set_offset
        self._note_plain = note_plain
        self._epoch = NO_EPOCH
        self._cut = 0
        self._former: dict[str, int] = {}
        """For each epoch that was left, the greatest id that was delivered."""
        self._flows: list[tuple[str, Receive]] = []
        self._match_flow: ReceiveMatch | None = None
        self._waiting: deque[Inbound] | None = None
        self._waiting_bytes = 0
        self._waiting_cut = 0
        self._on_missing: list[Callable[[], object]] = []
        self._on_too_many: list[Callable[[], object]] = []
        self._on_other_epoch: list[Callable[[], object]] = []

    # Places --------------------------------------------------------------------------------------

    @property
    def position(self) -> StreamPosition:
        """Everything up to it was delivered, on the topics that the node has held since then."""
        return StreamPosition(self._epoch, self._cut)

    @property
    def offset(self) -> Offset:
        """What a client has that has everything up to now."""
        return Offset(self._epoch, self._cut, self._node, self.ring.number)

    def has_left(self, epoch: str) -> bool:
        """Return whether ``epoch`` was the present one before, and is not now.

        Where a former master of Redis becomes the master again before it has taken over the data of the one
        between, its epoch returns.
        """
        return epoch in self._former

    def advance(self, position: StreamPosition) -> None:
        """Note that everything up to ``position`` is delivered. Its epoch counts from now on."""
        if position.epoch != self._epoch:
            self._begin_epoch(position.epoch, position.id)
        elif position.id > self._cut:
            self._cut = position.id
        self._set_offset(str(self.offset))

    def hold(self, source: str) -> None:
        """Keep what is heard from a topic or glob from now on."""
        self.ring.hold(source)
        self._set_offset(str(self.offset))

    def release(self, source: str) -> None:
        """Forget a topic or glob that is heard no more."""
        self.ring.release(source)
        self.chains.forget(source)

    def go_on(self, sources: Collection[str], topic: str = "") -> None:
        """Go on without what was missed of ``sources``, or of one topic of them."""
        for source in sources:
            if topic:
                self.chains.forget_topic(source, topic)
            else:
                self.chains.forget(source)
        self.ring.break_at(sources)
        self._set_offset(str(self.offset))

    def _begin_epoch(self, epoch: str, cut: int) -> None:
        had_other = self._epoch not in (NO_EPOCH, epoch)
        if self._epoch != NO_EPOCH:
            self._former[self._epoch] = self._cut
        cut = max(cut, self._former.pop(epoch, 0))
        if len(self._former) > MAX_FORMER_EPOCHS:
            del self._former[next(iter(self._former))]
        self._epoch, self._cut = epoch, cut
        self.chains.clear()
        if had_other:
            for hook in self._on_other_epoch:
                hook()

    # What arrives --------------------------------------------------------------------------------

    def through(
        self, prefix: str, flow: Receive, *, is_message: Callable[[bytes], bool] | None = None
    ) -> Receive:
        """Return the receiver of topics that begin with ``prefix``; ``flow`` gets their messages.

        What ``is_message`` refuses is for this node and not for clients: nobody can miss it later.
        """
        self._flows.append((prefix, flow))
        self._flows.sort(key=lambda entry: -len(entry[0]))

        def receive(topic: str, payload: bytes) -> None:
            stamp, json = split_stamp(payload)
            if stamp is None and is_message is not None and not is_message(json):
                self.in_order(lambda: flow(topic, json))
            elif self._waiting is not None:
                self._wait(topic, topic, json, stamp)
            elif self._take(topic, topic, json, stamp):
                flow(topic, json)

        return receive

    def through_match(self, flow: ReceiveMatch) -> ReceiveMatch:
        """Return the receiver of globs; ``flow`` gets their messages."""
        self._match_flow = flow

        def receive(glob: str, topic: str, payload: bytes) -> None:
            stamp, json = split_stamp(payload)
            if self._waiting is not None:
                self._wait(glob, topic, json, stamp)
            elif self._take(glob, topic, json, stamp):
                flow(glob, topic, json)

        return receive

    def in_order(self, act: Callable[[], object], *, cut: int = 0) -> None:
        """Call ``act`` when everything that arrived before is delivered: at once, if nothing waits.

        What waits and is recorded up to the id ``cut`` comes before.
        """
        if self._waiting is None:
            act()
            return
        self._waiting_cut = max(self._waiting_cut, cut)
        self._waiting.append(Inbound("", "", b"", None, self._waiting_cut, act))

    def _take(self, source: str, topic: str, json: bytes, stamp: Stamp | None) -> bool:
        """Note a message that is to be delivered now; False for one that is not."""
        id = 0
        if stamp is None:
            self._note_plain(source, topic)
        else:
            if stamp.epoch != self._epoch:
                self._begin_epoch(stamp.epoch, 0)
            id = stamp.id
            link = self.chains.link(source, topic, stamp)
            if link is not Link.NEXT:
                if link is Link.DOUBLE:
                    self.doubles += 1
                    return False
                self.hold_back()
                self._wait(source, topic, json, stamp)
                _call_all(self._on_missing)
                return False
            self.chains.hear(source, topic, id)
            if id > self._cut:
                self._cut = id
        number = self.ring.add(source, topic, json, id, self._cut, time.monotonic())
        self._set_offset(f"{self._epoch}-{self._cut}-{self._node}-{number}")
        return True

    # What waits ----------------------------------------------------------------------------------

    def on_missing(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when a message shows that one before it is missing. It waits then."""
        self._on_missing.append(callback)

    def on_other_epoch(self, hook: Callable[[], object]) -> None:
        """Call ``hook`` when Redis has begun another history: it may have lost its data."""
        self._on_other_epoch.append(hook)

    def on_too_many(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when more waits than may."""
        self._on_too_many.append(callback)

    @property
    def is_waiting(self) -> bool:
        return self._waiting is not None

    @property
    def is_overfull(self) -> bool:
        """True while more waits than may."""
        return self._waiting is not None and self._waiting_bytes > MAX_WAITING_BYTES

    def hold_back(self) -> None:
        """Let all that arrives wait, until :meth:`deliver` has delivered all."""
        if self._waiting is None:
            self._waiting = deque()
            self._waiting_bytes = 0
            self._waiting_cut = self._cut

    def _wait(self, source: str, topic: str, json: bytes, stamp: Stamp | None) -> None:
        assert self._waiting is not None
        if stamp is not None:
            self._waiting_cut = max(self._waiting_cut, stamp.id)
        self._waiting.append(Inbound(source, topic, json, stamp, self._waiting_cut))
        self._waiting_bytes += len(json) + ARRIVAL_BYTES
        if self.is_overfull:
            _call_all(self._on_too_many)

    def weave(self, recorded: Iterable[Inbound], *, until: int) -> None:
        """Put what was read from the history, up to an id, to its places in what waits."""
        if self._waiting is not None:
            self._waiting = deque(merge(recorded, self._waiting, until=until))

    async def deliver(self) -> Inbound | None:
        """Deliver what waits, in turns, and then let what arrives pass again.

        Stop at a message that shows that one before it is missing, and return it. It goes on to wait.
        """
        while waiting := self._waiting:
            for _ in range(min(PER_TURN, len(waiting))):
                arrival = waiting[0]
                if self._is_behind_gap(arrival):
                    return arrival
                waiting.popleft()
                self._waiting_bytes -= len(arrival.payload) + ARRIVAL_BYTES
                self._deliver(arrival)
            await asyncio.sleep(0)
        self._waiting = None
        return None

    def _is_behind_gap(self, arrival: Inbound) -> bool:
        stamp = arrival.stamp
        if stamp is None or stamp.epoch != self._epoch:
            return False
        return self.chains.link(arrival.source, arrival.topic, stamp) is Link.GAP

    def _deliver(self, arrival: Inbound) -> None:
        if arrival.act is not None:
            arrival.act()
        elif self._take(arrival.source, arrival.topic, arrival.payload, arrival.stamp):
            if arrival.source != arrival.topic:
                assert self._match_flow is not None
                self._match_flow(arrival.source, arrival.topic, arrival.payload)
                return
            flow = next(flow for prefix, flow in self._flows if arrival.topic.startswith(prefix))
            flow(arrival.topic, arrival.payload)


def _call_all(callbacks: Iterable[Callable[[], object]]) -> None:
    for callback in callbacks:
        callback()
