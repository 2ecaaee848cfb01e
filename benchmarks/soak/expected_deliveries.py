"""Who is owed which message, and whether everybody got what was owed: once, and in order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One message that Redis passed on to the server."""

    number: int
    channel: str
    began: float
    ended: float
    """When the publishing began and ended, as the backend saw it."""


@dataclass(slots=True)
class Listening:
    """One client in one channel: from when until when it counts on the channel's messages."""

    client: str
    channel: str
    since: float
    until: float = 0.0
    heard: list[int] = field(default_factory=list)


class ExpectedDeliveries:
    """Compares what was published with what was heard."""

    def __init__(self) -> None:
        self.published: dict[str, list[Entry]] = defaultdict(list)
        self.complaints: list[str] = []
        self.owed = 0
        self.heard = 0

    def add(self, entry: Entry) -> None:
        self.published[entry.channel].append(entry)

    def close(self, listening: Listening) -> None:
        """The client stops listening, and has heard what was to be heard: see that it is all.

        Owed is what was published while it listened, from the beginning of the publishing to its end. It may
        hear more at both ends, but nothing twice and nothing out of order.
        """
        self.heard += len(listening.heard)
        for before, after in itertools.pairwise(listening.heard):
            if after <= before:
                self._complain(listening, f"heard {after} after {before}")
        owed = [
            entry.number
            for entry in self.published[listening.channel]
            if entry.began >= listening.since and entry.ended <= listening.until
        ]
        self.owed += len(owed)
        missing = sorted(set(owed) - set(listening.heard))
        if missing:
            self._complain(listening, f"missed {len(missing)} of {len(owed)} messages: {missing[:10]}")

    def _complain(self, listening: Listening, what: str) -> None:
        self.complaints.append(f"{listening.client} on {listening.channel} {what}")
