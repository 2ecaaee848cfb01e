"""Which messages each client must receive, and whether it received each of them once and in order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Published:
    """One message that Redis passed on to the server."""

    number: int
    channel: str
    began: float
    ended: float
    """When the publishing began and ended, as the backend saw it."""


@dataclass(slots=True)
class Stay:
    """One client in one channel: it must receive all messages of the channel from ``since`` to ``until``."""

    client: str
    channel: str
    since: float
    until: float = 0.0
    received: list[int] = field(default_factory=list)
    """The numbers of the messages, in the order in which they came."""


class ExpectedDeliveries:
    """Compares the messages that were published with those that clients received."""

    def __init__(self) -> None:
        self.published: dict[str, list[Published]] = defaultdict(list)
        self.complaints: list[str] = []
        self.owed = 0
        self.received = 0

    def add(self, message: Published) -> None:
        self.published[message.channel].append(message)

    def check(self, stay: Stay) -> None:
        """Note a complaint if the client of a stay that has ended missed a message, or got one twice or late.

        The client must receive each message whose publishing began and ended during its stay. It may receive
        more at both ends, but no message twice, and none out of order.
        """
        self.received += len(stay.received)
        for before, after in itertools.pairwise(stay.received):
            if after <= before:
                self._complain(stay, f"received {after} after {before}")
        owed = [
            message.number
            for message in self.published[stay.channel]
            if message.began >= stay.since and message.ended <= stay.until
        ]
        self.owed += len(owed)
        missing = sorted(set(owed) - set(stay.received))
        if missing:
            self._complain(stay, f"missed {len(missing)} of {len(owed)} messages: {missing[:10]}")

    def _complain(self, stay: Stay, fault: str) -> None:
        self.complaints.append(f"{stay.client} on {stay.channel} {fault}")
