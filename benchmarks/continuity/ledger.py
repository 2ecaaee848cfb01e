"""What each client received, compared with what was published: all in order, or told, or silently lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

TOLD_WITHIN_S = 10.0
"""How long after a jump of the numbers a client may be told about it. Later, the jump was silent."""


class Numbers:
    """The numbers of one channel, as far as their publishing has ended: 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self.last = 0
        self.uncertain: set[int] = set()
        """Those whose publishing failed: they may be delivered or not, and late."""

    def published(self, number: int, *, certain: bool) -> None:
        self.last = number
        if not certain:
            self.uncertain.add(number)

    def owed(self, after: int, before: int) -> list[int]:
        """Return the numbers between two others that must have been delivered."""
        return [number for number in range(after + 1, before) if number not in self.uncertain]


@dataclass(slots=True)
class Reader:
    """One client in one channel. ``last`` is None until the client's first number, and once it was told."""

    last: int | None = None
    highest: int = 0
    seen: set[int] = field(default_factory=set)
    told_after: int = 0
    """The last number before the client was told that it missed some, until its next number."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Numbers that a client did not get, found at a time at which nobody had told it."""

    client: int
    channel: str
    missing: tuple[int, ...]
    fault: str
    at: float


class Ledger:
    """Counts what was lost, doubled and told, by the fault that was under way."""

    def __init__(self, channels: Collection[str]) -> None:
        self.numbers = {channel: Numbers() for channel in channels}
        self.fault = "start"
        """The fault to which what is found now is put down."""
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.complaints: list[str] = []
        self._readers: dict[tuple[int, str], Reader] = defaultdict(Reader)
        self._jumps: list[Jump] = []

    def total(self, what: str) -> int:
        return sum(counts[what] for counts in self.counts.values())

    def count(self, what: str, number: int = 1) -> None:
        self.counts[self.fault][what] += number

    def expect(self, client: int, channels: Collection[str]) -> None:
        """Note that a client listens to these channels."""
        for channel in channels:
            self._readers[client, channel] = Reader()

    def received(self, client: int, channel: str, number: int, now: float) -> None:
        """Note that a client received a number."""
        reader = self._readers[client, channel]
        self.count("received")
        if number in reader.seen:
            self._complain("doubled", f"client {client} received {number} twice on {channel}")
            return
        reader.seen.add(number)
        if number < reader.highest:
            if number not in self.numbers[channel].uncertain:
                self._complain(
                    "disordered", f"client {client} received {number} after {reader.highest} on {channel}"
                )
            return
        if reader.last is not None:
            missing = self._missing(reader, channel, number)
            if missing:
                self._jumps.append(Jump(client, channel, tuple(missing), self.fault, now))
        elif reader.told_after:
            self.count("told", len(self.numbers[channel].owed(reader.told_after, number)))
        reader.last = reader.highest = number
        reader.told_after = 0

    def told(self, client: int, channels: Collection[str]) -> None:
        """Note that a client was told that it may have missed messages of these channels."""
        for channel in channels:
            reader = self._readers[client, channel]
            if reader.last is not None:
                reader.told_after, reader.last = reader.highest, None
        for jump in [jump for jump in self._jumps if jump.client == client and jump.channel in channels]:
            self._jumps.remove(jump)
            self.counts[jump.fault]["told"] += len(jump.missing)

    def settle(self, now: float) -> None:
        """Count the jumps about which clients were not told in time."""
        for jump in [jump for jump in self._jumps if now - jump.at > TOLD_WITHIN_S]:
            self._jumps.remove(jump)
            self.counts[jump.fault]["lost"] += len(jump.missing)
            self.complaints.append(
                f"client {jump.client} silently lost {len(jump.missing)} on {jump.channel} after "
                f"{jump.fault}: {', '.join(map(str, jump.missing[:8]))}"
            )

    def waiting(self) -> list[tuple[int, str]]:
        """Return the clients, with their channels, that have not got the last number of a channel."""
        return [key for key, reader in self._readers.items() if reader.highest < self._last_owed(key[1])]

    def finish(self) -> None:
        """Count what is still missing at the end. All faults are over, so nobody may miss the last number."""
        self.settle(float("inf"))
        for client, channel in self.waiting():
            self._complain("lost", f"client {client} did not get the last number of {channel}")

    def _last_owed(self, channel: str) -> int:
        numbers = self.numbers[channel]
        return next((number for number in range(numbers.last, 0, -1) if number not in numbers.uncertain), 0)

    def _missing(self, reader: Reader, channel: str, number: int) -> list[int]:
        owed = self.numbers[channel].owed(reader.highest, number)
        return [missing for missing in owed if missing not in reader.seen]

    def _complain(self, what: str, complaint: str) -> None:
        self.count(what)
        self.complaints.append(f"{complaint} (during {self.fault})")
