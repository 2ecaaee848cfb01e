"""A session on its way back: what it gets again, and the messages that it missed.

A client has everything up to an offset, which it sent. What came later on a topic is in one of three places:

- Where the offset is of this node, and the node has held the topic since then, the node's ring has it all.
- Where the offset is of another node that is still there, that node hands over what it heard, and this
  node's ring goes on from there.
- Otherwise the history has what was recorded. Plain publishes are not recorded. So a topic is whole only if
  each of its messages was recorded: if the history knows it, and no node heard a plain publish on it.

Between the reading and the moment when the session enters its rooms, the ring goes on to collect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hornet.broker.history import HistoryAnswer, TopicHistory
from hornet.broker.keys import channel_topic, user_topic
from hornet.core.history import NO_EPOCH, Offset, parse_offset
from hornet.core.merge import merge, recorded_entry
from hornet.core.message_ring import MessageRing, RingEntry
from hornet.core.session_records import SessionRecord
from hornet.flows.recovery.claims import PidClaim
from hornet.flows.recovery.handover import HandedOver
from hornet.flows.sessions.sessions import SubscribedBy

MESSAGE_BYTES = 150
"""What a message takes on the wire beside what was published: its channel, its offset, and its frame."""


class MissReason(StrEnum):
    """Why a session did not get what it missed; clients get it, and it is a label of a metric."""

    BAD_OFFSET = "bad_offset"
    """The client sent no offset, or none of Hornet's."""
    FUTURE_OFFSET = "future_offset"
    """The offset is behind everything that Redis recorded: it is of a Redis that has lost data since."""
    REDIS_LOST_DATA = "redis_lost_data"
    """The offset is of another epoch of Redis' data."""
    HISTORY_TOO_SHORT = "history_too_short"
    """Recorded messages are no longer in the history."""
    HISTORY_UNAVAILABLE = "history_unavailable"
    """Redis did not answer in time, or keeps no history."""
    PLAIN_MESSAGES = "plain_messages"
    """Plain publishes, which are not recorded, may have been missed."""
    REPLAY_TOO_BIG = "replay_too_big"
    """The client missed more than one session gets at once."""


@dataclass(eq=False, slots=True)
class Restoration:
    """A session that comes back. This node holds each of ``topics`` once for it."""

    claim: PidClaim
    record: SessionRecord
    was_away: bool
    start: Offset | None
    """Where the client stands; None where it did not tell."""
    channels: dict[str, SubscribedBy]
    topics: list[str]
    starts: dict[str, Offset]
    """From where each topic counts: where the client stands, or where the session entered it."""
    began: int
    """See :meth:`RecordDeletions.is_revoked`."""
    recorded: list[RingEntry] = field(default_factory=list)
    """What the history has of the topics that the ring does not cover."""
    until: int = 0
    """What was recorded up to this id and is not in the ring was published before the node held the topic."""
    handed_over: dict[str, list[RingEntry]] = field(default_factory=dict)
    """What the former node heard. The numbers are of that node, and negative to tell them apart."""
    joined: dict[str, int] = field(default_factory=dict)
    """For each topic that was read or handed over, from which number on the ring has it."""
    missed: dict[str, MissReason] = field(default_factory=dict)
    """The topics that are not whole."""
    owner: str = ""
    """The node that had the session last."""

    @property
    def names(self) -> frozenset[str]:
        """The names by which ``only`` and ``except`` may mean the session."""
        return frozenset((self.record.sid, *self.record.tokens))

    @property
    def recorded_bytes(self) -> int:
        """What was read so far takes on the wire."""
        return sum(len(entry.payload) + MESSAGE_BYTES for entry in self.recorded)

    @property
    def least_start(self) -> Offset | None:
        """Where the client stands, with all of its topics; None where there is nothing to get."""
        if self.start is not None:
            return self.start
        return min(self.starts.values(), key=lambda start: (start.id, start.number), default=None)

    def add_handed_over(self, handed: HandedOver) -> None:
        """Take over what the former node heard of its topics, up to where this node's ring goes on."""
        for topic, entries in handed.entries.items():
            self.handed_over[topic] = [entry._replace(number=-entry.number) for entry in entries]
            self.joined[topic] = handed.number

    def add_history(self, answer: HistoryAnswer, topics: Sequence[str]) -> None:
        """Take over what the history has of ``topics``, and note which of them are not whole."""
        for topic, history in zip(topics, answer.topics, strict=True):
            start = self.starts[topic]
            reason = _judge(start, answer, history)
            if reason is not None:
                self.missed[topic] = reason
                continue
            self.recorded += (
                recorded_entry(topic, topic, entry.json, entry.id)
                for entry in history.entries
                if entry.id > start.id
            )

    def miss_all(self, reason: MissReason) -> None:
        """Give the session nothing of what it missed."""
        self.missed.update(dict.fromkeys(self.starts, reason))
        self.recorded.clear()

    def collect(self, ring: MessageRing, max_bytes: int) -> list[RingEntry]:
        """Return what the session missed until now, in order; nothing of topics that are not whole.

        What is of the history has the number 0, and what was handed over a negative one.
        """
        former: list[RingEntry] = []
        received: list[RingEntry] = []
        for topic, start in self.starts.items():
            if topic in self.missed:
                continue
            number = self.joined.get(topic, start.number)
            entries = ring.since(topic, number)
            if entries is None:
                self.missed[topic] = MissReason.PLAIN_MESSAGES
                continue
            former += _after(start.id, self.handed_over.get(topic, ()))
            received += _after(start.id, entries)
        former.sort(key=lambda entry: -entry.number)
        received.sort()
        recorded = [entry for entry in self.recorded if entry.topic not in self.missed]
        entries = merge(recorded, former + received, until=self.until)
        if sum(len(entry.payload) + MESSAGE_BYTES for entry in entries) > max_bytes:
            self.miss_all(MissReason.REPLAY_TOO_BIG)
            return []
        return [entry for entry in entries if entry.topic not in self.missed]


def begin(
    *,
    claim: PidClaim,
    record: SessionRecord,
    was_away: bool,
    start: Offset | None,
    user_channels: Collection[str],
    began: int,
) -> Restoration:
    """Return the restoration of a session whose user has ``user_channels`` now."""
    channels: dict[str, SubscribedBy] = {}
    for name, held in record.channels.items():
        by = SubscribedBy(held.by)
        if name not in user_channels:
            by &= ~SubscribedBy.BACKEND
        if by:
            channels[name] = by
    topics = [channel_topic(name) for name in channels]
    if record.user is not None:
        topics.append(user_topic(record.user))
    starts = _find_starts(start, record, topics)
    missed = dict.fromkeys(record.patterns, MissReason.PLAIN_MESSAGES)
    missed |= {topic: MissReason.BAD_OFFSET for topic in topics if topic not in starts}
    return Restoration(claim, record, was_away, start, channels, topics, starts, began, missed=missed)


def _find_starts(start: Offset | None, record: SessionRecord, topics: Iterable[str]) -> dict[str, Offset]:
    """Return from where each topic counts, without those for which nobody knows."""
    entered = {
        channel_topic(name): parse_offset(held.since) for name, held in record.channels.items() if held.since
    }
    otherwise = start or min(entered.values(), key=lambda offset: offset.id, default=None)
    starts: dict[str, Offset] = {}
    for topic in topics:
        since = entered.get(topic)
        topic_start = _later(start, since) if start is not None and since is not None else since or otherwise
        if topic_start is not None:
            starts[topic] = topic_start
    return starts


def offsets_of(entries: Sequence[RingEntry], start: Offset, now: Offset) -> list[Offset]:
    """Return where a client stands after each of its missed messages; after the last one, it is ``now``.

    Until it has all that was handed over, it stands on its former node: only there is the rest of that.
    """
    handed_over = max((place for place, entry in enumerate(entries) if entry.number < 0), default=-1)
    last = Offset(now.epoch, start.id if start.epoch == now.epoch else 0, start.node, start.number)
    offsets: list[Offset] = []
    for place, entry in enumerate(entries):
        last = last._replace(id=max(last.id, entry.id))
        if entry.number < 0:
            last = last._replace(number=-entry.number)
        elif entry.number and place > handed_over:
            last = last._replace(node=now.node, number=entry.number)
        offsets.append(last)
    if offsets:
        offsets[-1] = now._replace(id=max(now.id, last.id))
    return offsets


def _after(id: int, entries: Iterable[RingEntry]) -> Iterator[RingEntry]:
    """Yield the plain messages, and of those with an id the later ones."""
    return (entry for entry in entries if not entry.id or entry.id > id)


def _later(offset: Offset, since: Offset) -> Offset:
    if offset.epoch != since.epoch:
        return offset
    if offset.node == since.node:
        return since if since.number > offset.number else offset
    return since if since.id > offset.id else offset


def _judge(start: Offset, answer: HistoryAnswer, history: TopicHistory) -> MissReason | None:
    """Return why messages of a topic after ``start`` may be missing; None where all of them were read."""
    epoch, last = answer.position
    if NO_EPOCH in (epoch, start.epoch):
        return MissReason.HISTORY_UNAVAILABLE
    if start.epoch != epoch:
        return MissReason.REDIS_LOST_DATA
    if start.id > last:
        return MissReason.FUTURE_OFFSET
    if not history.is_whole:
        return MissReason.HISTORY_TOO_SHORT
    if not history.has_all_after(start.id):
        return MissReason.PLAIN_MESSAGES
    return None
