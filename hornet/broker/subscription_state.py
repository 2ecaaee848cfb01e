"""The state machine of the subscription connection to Redis, without I/O and without a clock.

The machine knows which topics and globs are wanted, which commands ask Redis for them, which of the commands
have no answer yet, and which subscriptions each answer settles. Its owner, the
:class:`~hornet.broker.subscriber.Subscriber`, has the connection: it reports every event by one of the
``on_*`` methods of :class:`SubscriptionState`, sends each command of ``next_command``, carries out the
effects of ``take_effects``, and calls ``on_time`` at ``deadline``.

A topic is wanted by its name, or by a glob (PSUBSCRIBE). Each has a :class:`Subscription`, which is

- WAITING until Redis answers;
- CONFIRMED while Redis is known to send the messages of the topic or glob;
- FAILED while Redis refuses it, or while Redis has been away for longer than ``WAIT_LIMIT_S``.

With each connection all subscriptions are WAITING again. A FAILED subscription is still wanted, and becomes
CONFIRMED as soon as that is possible.

Redis answers commands in the order in which they were sent: it confirms each name of a command, or refuses
the whole command. A refused command with several names is sent again in halves, until the names are found
that caused the refusal. So a name that the ACL of Redis does not permit fails alone. While such a name is
wanted, it is asked for again every ``ASK_AGAIN_S``, since an ACL may change.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from hornet.broker.acl import refusal
from hornet.core.errors import HornetError, RedisUnavailable

NAMES_PER_COMMAND = 1000
"""Redis refuses a command of more than 1,048,576 words, and serves no other client during a long command."""

WAIT_LIMIT_S = 5.0
"""How long a subscription waits for a Redis that is away: a restart, or a failover by Sentinel, is over by
then. A subscription that is made later fails at once."""

ASK_AGAIN_S = 10.0
"""How often refused subscriptions are asked for again."""

MAX_NAMED = 1000
"""Refused topics that are reported by name. Clients may choose topics, and could so fill the log."""


class SubscriptionStatus(Enum):
    """The state of a subscription; the theory is above."""

    WAITING = auto()
    CONFIRMED = auto()
    FAILED = auto()


@dataclass(eq=False, slots=True)
class Subscription:
    """A topic or glob that is wanted, with its number of holders."""

    name: str
    holders: int = 0
    status: SubscriptionStatus = SubscriptionStatus.WAITING
    error: HornetError | None = None
    """Why it is FAILED."""
    waiter: object = None
    """For the owner of the machine: the future that it completes when the subscription is settled."""


@dataclass(eq=False, slots=True)
class SubscriptionSet:
    """The wanted subscriptions of one kind (topics, or globs), by name."""

    subscribe: bytes
    unsubscribe: bytes
    wanted: dict[str, Subscription] = field(default_factory=dict)

    def has(self, subscription: Subscription) -> bool:
        """Return False for a subscription that was given up, even if the same name is wanted again."""
        return self.wanted.get(subscription.name) is subscription


NamedSubscription = tuple[str, Subscription | None]
"""A name in a command, with the subscription that its confirmation settles; None in an UNSUBSCRIBE."""


@dataclass(slots=True)
class SubscriptionCommand:
    """A command for one connection. A PING belongs to no set, and has no names."""

    subscriptions: SubscriptionSet | None
    word: bytes
    names: list[NamedSubscription] = field(default_factory=list)
    takes_more: bool = True
    """False for a part of a refused command: others must not be refused with it again."""
    confirmed: int = 0
    """How many of the names Redis has confirmed."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Complete the waiter of the subscription, which is CONFIRMED or FAILED now."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class RefusalNews:
    """Report a refusal that was not reported yet; without a reason, that no more of them will be named."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """Report that the connection has all subscriptions wanted at its start, but for refused ones."""


@dataclass(frozen=True, slots=True)
class Regained:
    """Report that Redis permits a subscription that it refused before, on any connection."""


Effect = Settled | RefusalNews | Restored | Regained


class SubscriptionState:
    """The subscriptions of one node, through any number of connections, one after the other."""

    def __init__(self) -> None:
        self.topics = SubscriptionSet(b"SUBSCRIBE", b"UNSUBSCRIBE")
        self.globs = SubscriptionSet(b"PSUBSCRIBE", b"PUNSUBSCRIBE")
        self.is_connected = False
        """True from when a connection has all that was wanted at its start, until it is lost."""
        self.reconnections = 0
        """How many connections were lost that had got so far."""
        self.refusals = 0
        """How many times Redis refused to subscribe to a topic or glob."""
        self._has_connection = False
        self._unsent: deque[SubscriptionCommand] = deque()
        self._unanswered: deque[SubscriptionCommand] = deque()
        self._to_restore: set[Subscription] = set()
        self._refused: dict[Subscription, SubscriptionSet] = {}
        self._reported: set[str] = set()
        self._wait_until: float | None = None
        self._is_wait_over = False
        self._ask_again_at: float | None = None
        self._effects: list[Effect] = []

    # Wanted subscriptions

    def subscribe(self, subscriptions: SubscriptionSet, name: str) -> Subscription:
        """Want ``name`` once more; each call is owed one :meth:`unsubscribe`.

        Raises:
            ValueError: UTF-8 can't carry the name; nothing is wanted.
        """
        subscription = subscriptions.wanted.get(name)
        if subscription is None:
            name.encode()
            subscription = subscriptions.wanted[name] = Subscription(name)
            if self._is_wait_over:
                self._fail(subscription, _away())
            self._ask(subscriptions, name, subscription)
        subscription.holders += 1
        return subscription

    def unsubscribe(self, subscriptions: SubscriptionSet, name: str) -> None:
        """Want ``name`` once less; with the last time Redis is asked for no more of it."""
        subscription = subscriptions.wanted[name]
        subscription.holders -= 1
        if not subscription.holders:
            del subscriptions.wanted[name]
            self._refused.pop(subscription, None)
            self._ask(subscriptions, name, None)

    @property
    def refused(self) -> tuple[str, ...]:
        """The topics and globs that are wanted now, but that Redis refuses."""
        return tuple(subscription.name for subscription in self._refused)

    # For the owner

    @property
    def has_commands(self) -> bool:
        """True when :meth:`next_command` has something to send."""
        return bool(self._unsent)

    def next_command(self) -> SubscriptionCommand:
        """Return the command that is to be sent now; its answer is expected behind those of earlier ones."""
        command = self._unsent.popleft()
        self._unanswered.append(command)
        return command

    def take_effects(self) -> list[Effect]:
        """Return the effects that the owner has to carry out now, in order."""
        effects, self._effects = self._effects, []
        return effects

    @property
    def deadline(self) -> float | None:
        """When :meth:`on_time` is to be called."""
        if self._wait_until is None or self._ask_again_at is None:
            return self._ask_again_at if self._wait_until is None else self._wait_until
        return min(self._wait_until, self._ask_again_at)

    # Events of the connection

    def on_start(self, now: float) -> None:
        """Begin to wait for the first connection."""
        self._begin_wait(now)

    def on_stop(self) -> None:
        """Forget the time: there will be no further connection."""
        self._end_wait()
        self._ask_again_at = None

    def on_connection(self) -> None:
        """Ask for everything that is wanted: a fresh connection has no subscriptions."""
        self._has_connection = True
        for subscriptions in (self.topics, self.globs):
            for name, subscription in subscriptions.wanted.items():
                self._to_restore.add(subscription)
                subscription.status = SubscriptionStatus.WAITING
                self._ask(subscriptions, name, subscription)
        if not self._to_restore:
            self._restore()

    def on_lost(self, now: float) -> None:
        """Lose the connection, and with it all its subscriptions and commands."""
        self._has_connection = False
        self.reconnections += self.is_connected
        self.is_connected = False
        self._unsent.clear()
        self._unanswered.clear()
        self._to_restore.clear()
        self._ask_again_at = None
        for subscription in self._all():
            subscription.status = SubscriptionStatus.WAITING
        self._begin_wait(now)
        if self._is_wait_over:
            self._fail_waiting()

    def on_ping(self) -> None:
        """Expect the answer to a PING, which the owner sends now."""
        self._unanswered.append(SubscriptionCommand(None, b"PING"))

    def on_pong(self) -> None:
        """Take the answer to a PING."""
        self._unanswered.popleft()

    def on_confirmation(self) -> None:
        """Take Redis's confirmation of the next name of the oldest command that has no answer yet."""
        command = self._unanswered[0]
        name, subscription = command.names[command.confirmed]
        command.confirmed += 1
        if command.confirmed == len(command.names):
            self._unanswered.popleft()
        if subscription is None:
            return
        self._reported.discard(name)  # a later refusal is news
        if self._refused.pop(subscription, None) is not None and self.is_connected:
            self._effects.append(Regained())
        self._confirm(subscription)

    def on_refusal(self, reason: str, now: float) -> None:
        """Take Redis's refusal of the oldest command that has no answer yet, with all its names."""
        command = self._unanswered.popleft()
        subscriptions = command.subscriptions
        if subscriptions is None or command.word != subscriptions.subscribe:
            return  # a PING; or an UNSUBSCRIBE: further messages of its topics are ignored
        wanted = []
        for name, subscription in command.names:
            assert subscription is not None
            if subscriptions.has(subscription):
                wanted.append((name, subscription))
            else:
                self._confirm(subscription)  # it was given up, and no caller needs it
        if len(command.names) > 1:
            self._ask_in_halves(command, wanted)
            return
        for name, subscription in wanted:
            self._refuse(subscriptions, name, subscription, reason, now)

    def on_time(self, now: float) -> None:
        """Do the work that is due: give up a wait, or ask again for refused subscriptions."""
        if self._wait_until is not None and now >= self._wait_until:
            self._wait_until = None
            self._is_wait_over = True
            self._fail_waiting()
        if self._ask_again_at is not None and now >= self._ask_again_at:
            self._ask_again_at = None
            for subscription, subscriptions in self._refused.items():
                if subscription.status is not SubscriptionStatus.WAITING:
                    subscription.status = SubscriptionStatus.WAITING
                    self._ask(subscriptions, subscription.name, subscription)

    # Commands

    def _ask(self, subscriptions: SubscriptionSet, name: str, subscription: Subscription | None) -> None:
        """Ask for ``name``, or without a subscription for no more of it; neighbours share a command."""
        if not self._has_connection:
            return  # the next connection asks for all that is wanted then
        word = subscriptions.unsubscribe if subscription is None else subscriptions.subscribe
        last = self._unsent[-1] if self._unsent else None
        if last is None or last.word != word or not last.takes_more or len(last.names) == NAMES_PER_COMMAND:
            last = SubscriptionCommand(subscriptions, word)
            self._unsent.append(last)
        last.names.append((name, subscription))

    def _ask_in_halves(self, command: SubscriptionCommand, wanted: list[tuple[str, Subscription]]) -> None:
        """Ask again for names of a refused command, to find out which of them it was refused for."""
        middle = (len(wanted) + 1) // 2
        for half in (wanted[:middle], wanted[middle:]):
            if half:
                self._unsent.append(
                    SubscriptionCommand(command.subscriptions, command.word, list(half), takes_more=False)
                )

    # Outcomes of a subscription

    def _confirm(self, subscription: Subscription) -> None:
        subscription.status = SubscriptionStatus.CONFIRMED
        self._effects.append(Settled(subscription))
        self._answered(subscription)

    def _fail(self, subscription: Subscription, error: HornetError) -> None:
        subscription.status = SubscriptionStatus.FAILED
        subscription.error = error
        self._effects.append(Settled(subscription))

    def _refuse(
        self, subscriptions: SubscriptionSet, name: str, subscription: Subscription, reason: str, now: float
    ) -> None:
        self.refusals += 1
        error = refusal(subscriptions.subscribe, name, reason)
        if name not in self._reported and len(self._reported) <= MAX_NAMED:
            self._reported.add(name)
            self._effects.append(RefusalNews(str(error) if len(self._reported) <= MAX_NAMED else ""))
        self._fail(subscription, error)
        self._refused[subscription] = subscriptions
        if self._ask_again_at is None:
            self._ask_again_at = now + ASK_AGAIN_S
        self._answered(subscription)

    def _answered(self, subscription: Subscription) -> None:
        """Note an answer; the connection is restored with the last one that it needs for that."""
        if subscription in self._to_restore:
            self._to_restore.discard(subscription)
            if not self._to_restore:
                self._restore()

    def _restore(self) -> None:
        self._end_wait()
        self.is_connected = True
        self._effects.append(Restored())

    # The wait for a connection

    def _begin_wait(self, now: float) -> None:
        """Set the limit, unless the wait has begun already: lost attempts do not prolong it."""
        if self._wait_until is None and not self._is_wait_over:
            self._wait_until = now + WAIT_LIMIT_S

    def _end_wait(self) -> None:
        self._wait_until = None
        self._is_wait_over = False

    def _fail_waiting(self) -> None:
        for subscription in self._all():
            if subscription.status is SubscriptionStatus.WAITING:
                self._fail(subscription, _away())

    def _all(self) -> Iterator[Subscription]:
        return itertools.chain(self.topics.wanted.values(), self.globs.wanted.values())


def _away() -> RedisUnavailable:
    return RedisUnavailable("there is no subscription connection")
