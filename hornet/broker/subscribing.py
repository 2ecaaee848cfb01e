"""What a listener wants, and the commands by which it asks Redis for it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from hornet.core.errors import HornetError

NAMES_PER_COMMAND = 1000
"""Redis refuses a command of more than 1,048,576 words, and serves nobody else during a long one."""


@dataclass(eq=False, slots=True)
class Subscription:
    """A topic or glob with its number of holders.

    ``confirmed`` is done while Redis is known to send it; it has failed while Redis refuses to.
    """

    confirmed: asyncio.Future[None]
    holders: int = 0

    def renew(self) -> None:
        """Nothing is known about it any more."""
        if self.confirmed.done():
            self.confirmed = asyncio.get_running_loop().create_future()

    def confirm(self) -> None:
        self.renew()
        self.confirmed.set_result(None)

    def fail(self, why: HornetError) -> None:
        """Those who wait for it are told why, and those who will ask for it until it is renewed."""
        self.renew()
        self.confirmed.set_exception(why)
        self.confirmed.exception()  # it is known: nobody has to wait for it


@dataclass(eq=False, slots=True)
class SubscriptionSet:
    """What is held now, by name, of one kind: topics, or globs."""

    subscribe: bytes
    unsubscribe: bytes
    held: dict[str, Subscription] = field(default_factory=dict)

    def has(self, name: str, hold: Subscription | None) -> bool:
        """Whether ``hold`` is what ``name`` is held by now, and not one that was given up."""
        return hold is not None and self.held.get(name) is hold


Name = tuple[str, Subscription | None]
"""A topic or glob with the hold that its confirmation completes; there is none after an UNSUBSCRIBE."""


@dataclass(slots=True)
class Command:
    """A command for one connection. Redis confirms each of its names in order, or refuses all of them.

    A PING wants nothing, and has no names.
    """

    wanted: SubscriptionSet | None
    word: bytes
    names: list[Name] = field(default_factory=list)
    takes_more: bool = True
    confirmed: int = 0

    @property
    def subscribes(self) -> bool:
        return self.wanted is not None and self.word == self.wanted.subscribe

    def confirm(self) -> Name:
        """The next name that Redis confirmed."""
        self.confirmed += 1
        return self.names[self.confirmed - 1]

    @property
    def is_answered(self) -> bool:
        return self.confirmed == len(self.names)


class Commands:
    """The commands of one connection, in order: first they are unsent, then they wait for their answers."""

    def __init__(self) -> None:
        self.unsent: deque[Command] = deque()
        self.sent: deque[Command] = deque()

    def ask(self, wanted: SubscriptionSet, name: str, hold: Subscription | None) -> None:
        """Ask for ``name``, or, without a hold, for no more of it; neighbours of one kind share a command."""
        word = wanted.unsubscribe if hold is None else wanted.subscribe
        last = self.unsent[-1] if self.unsent else None
        if last is None or last.word != word or not last.takes_more or len(last.names) == NAMES_PER_COMMAND:
            last = Command(wanted, word)
            self.unsent.append(last)
        last.names.append((name, hold))

    def ask_in_halves(self, refused: Command, names: list[Name]) -> None:
        """Ask again for ``names`` of a command that was refused, to find out which of them it was for."""
        middle = (len(names) + 1) // 2
        for half in (names[:middle], names[middle:]):
            if half:
                self.unsent.append(Command(refused.wanted, refused.word, half, takes_more=False))

    def send(self) -> Command:
        """The next command, which is on its way from now on."""
        command = self.unsent.popleft()
        self.sent.append(command)
        return command

    def confirm(self) -> Name:
        """What Redis confirmed: the next name of the oldest command that has no answer yet."""
        oldest = self.sent[0]
        name = oldest.confirm()
        if oldest.is_answered:
            self.sent.popleft()
        return name

    def clear(self) -> None:
        """The connection is lost, and all that was asked on it."""
        self.unsent.clear()
        self.sent.clear()
