"""The subscription connection: it receives the messages of exactly the topics and globs that are wanted.

One connection per node. A writer sends SUBSCRIBE and UNSUBSCRIBE in the order in which they were asked for;
the reader gets messages, and the confirmations in that same order. A subscription counts only when Redis has
confirmed it, so a client is told `connected` only once no publish can be missed. The decisions are in
:mod:`hornet.broker.subscription_state`, and the work on one connection is in
:mod:`hornet.broker.subscription_connection`; this module has the clock, the futures, and the attempts to
connect.

A publish whose topic is subscribed by name and matches two globs is received three times.

When the connection is lost, everything that is wanted is subscribed anew, with growing, jittered waits
between the attempts. Messages that were published in between are missed: pub/sub has no memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

from redis.asyncio import Redis

from hornet.broker import subscription_state
from hornet.broker.client import await_redis
from hornet.broker.failures import FAILURES, backoff_s, explain
from hornet.broker.subscription_connection import Receive, ReceiveMatch, SubscriptionConnection
from hornet.broker.subscription_probe import Loss, SubscriptionProbe
from hornet.broker.subscription_state import (
    Effect,
    RefusalNews,
    Regained,
    Restored,
    Settled,
    Subscription,
    SubscriptionSet,
    SubscriptionState,
    SubscriptionStatus,
)
from hornet.core.errors import RefusedByRedis

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
"""Before the connection is tried again for the first time."""

_REASONS = {
    Loss.SILENT: "no answer to a heartbeat",
    Loss.DEAF: "it is deaf: what this node published to itself did not arrive",
    Loss.MUTE: "it takes no commands",
}


class Holding(Enum):
    """What became of the subscription to a topic or glob."""

    CONFIRMED = auto()
    """Redis sends its messages from now on."""
    REFUSED = auto()
    """The ACL of Redis does not permit it for now."""
    RELEASED = auto()
    """It is wanted no more."""


HoldingCallback = Callable[[str, Holding, bool], object]


def _ignore(glob: str, topic: str, payload: bytes) -> None:
    """Stand in for the receiver of a subscriber without globs."""


class Subscriber:
    """Keeps every wanted topic and glob subscribed, while :meth:`run` runs.

    ``connect`` gives a fresh client for attempt number n. ``receive`` is called for each message on a wanted
    topic, ``receive_match`` for each message whose topic matches a wanted glob, in Redis's order. Neither may
    raise or block. A connection is replaced when ``probe`` finds out that it is deaf, and when it is silent
    for twice ``heartbeat_s`` although a PING was sent in between.
    """

    def __init__(
        self,
        *,
        connect: Callable[[int], Redis],
        receive: Receive,
        receive_match: ReceiveMatch = _ignore,
        probe: SubscriptionProbe | None = None,
        heartbeat_s: float,
    ) -> None:
        self._connect = connect
        self._receive = receive
        self._receive_match = receive_match
        self._probe = probe
        self._heartbeat_s = heartbeat_s
        self.losses: Counter[Loss] = Counter(dict.fromkeys(Loss, 0))
        """How many working connections were lost so far, by the reason."""
        self._state = SubscriptionState()
        self._topics = self._state.topics
        self._globs = self._state.globs
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        """The deadline that the timer is for. The timer itself may round it: uvloop does."""
        self._announcement: asyncio.Handle | None = None
        self._on_restored: list[Callable[[], object]] = []
        self._on_connection: list[Callable[[bool], object]] = []
        self._on_holding: list[HoldingCallback] = []
        self._is_announced = False
        """The callbacks for connections know of the present one."""
        self._attempt = 0
        self._has_commands = asyncio.Event()
        self._connected = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """True from when a connection has every topic that was wanted at its start, until it is lost."""
        return self._state.is_connected

    @property
    def is_receiving(self) -> bool:
        """True while the connection is known to receive what is published."""
        return self.is_connected and (self._probe is None or self._probe.is_receiving)

    @property
    def topics(self) -> int:
        """How many topics are wanted now."""
        return len(self._topics.wanted)

    @property
    def patterns(self) -> int:
        """How many globs are wanted now."""
        return len(self._globs.wanted)

    @property
    def refused(self) -> tuple[str, ...]:
        """The topics and globs that are wanted now, but that Redis does not permit to this node."""
        return self._state.refused

    @property
    def refusals(self) -> int:
        """How many times Redis refused to subscribe to a topic or glob."""
        return self._state.refusals

    @property
    def reconnections(self) -> int:
        """How many working connections were lost so far."""
        return self._state.reconnections

    def on_restored(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when a lost connection was replaced, or Redis permits a refused subscription.

        Messages in between were missed.
        """
        self._on_restored.append(callback)

    def on_connection(self, callback: Callable[[bool], object]) -> None:
        """Call ``callback`` with True when a connection has every wanted topic, with False when it is lost.

        A node that stops loses its connection without a call.
        """
        self._on_connection.append(callback)

    def on_holding(self, callback: HoldingCallback) -> None:
        """Call ``callback(name, holding, is_glob)`` when a topic or glob begins or ceases to be received.

        A topic that is subscribed again after a lost connection is CONFIRMED again.
        """
        self._on_holding.append(callback)

    def holders(self, topic: str) -> int:
        """Return how many :meth:`subscribe` of ``topic`` were not undone yet."""
        subscription = self._topics.wanted.get(topic)
        return 0 if subscription is None else subscription.holders

    async def wait_connected(self) -> None:
        """Return once :attr:`is_connected` is True."""
        await self._connected.wait()

    def subscribe(self, topic: str) -> asyncio.Future[None]:
        """Want ``topic`` from now on; await the result to know that Redis sends it.

        Each call is owed one :meth:`unsubscribe`, also when the result failed or was cancelled. A topic whose
        result failed goes on to be wanted, and is asked for again.

        Raises:
            ValueError: UTF-8 can't carry ``topic``; it is not wanted.
            RedisUnavailable: from the result: Redis is away for ``WAIT_LIMIT_S``.
            RefusedByRedis: from the result: the ACL of Redis does not permit it.
        """
        return self._subscribe(self._topics, topic)

    def unsubscribe(self, topic: str) -> None:
        """Undo one :meth:`subscribe`; with the last one the topic is unsubscribed."""
        self._unsubscribe(self._topics, topic)

    def subscribe_pattern(self, glob: str) -> asyncio.Future[None]:
        """Do as :meth:`subscribe`, for every topic that Redis matches with ``glob``.

        It costs Redis one comparison for each PUBLISH on any topic.
        """
        return self._subscribe(self._globs, glob)

    def unsubscribe_pattern(self, glob: str) -> None:
        """Undo one :meth:`subscribe_pattern`; with the last one the glob is unsubscribed."""
        self._unsubscribe(self._globs, glob)

    async def run(self) -> None:
        """Receive until cancelled, through any number of lost connections."""
        if self._probe is not None:
            self._state.subscribe(self._topics, self._probe.topic)
        self._state.on_start(self._now())
        self._update()
        try:
            await self._run()
        finally:
            if self._probe is not None:
                self._state.unsubscribe(self._topics, self._probe.topic)
            self._state.on_stop()
            self._update()

    # Subscriptions and their futures

    def _subscribe(self, subscriptions: SubscriptionSet, name: str) -> asyncio.Future[None]:
        subscription = self._state.subscribe(subscriptions, name)
        if subscription.status is SubscriptionStatus.CONFIRMED:
            return self._confirmed()
        self._update()
        if subscription.status is SubscriptionStatus.WAITING:
            return asyncio.shield(self._waiter(subscription))
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _complete(failed, subscription)
        return failed

    def _unsubscribe(self, subscriptions: SubscriptionSet, name: str) -> None:
        self._state.unsubscribe(subscriptions, name)
        self._update()
        if name not in subscriptions.wanted:
            self._tell_holding(subscriptions, name, Holding.RELEASED)

    def _tell_holding(self, subscriptions: SubscriptionSet, name: str, holding: Holding) -> None:
        for callback in self._on_holding:
            callback(name, holding, subscriptions is self._globs)

    def _confirmed(self) -> asyncio.Future[None]:
        """Return a future that is done. All callers may share it, since nothing can change it."""
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
            self._done.set_result(None)
        return self._done

    def _waiter(self, subscription: Subscription) -> asyncio.Future[None]:
        """Return the future of a subscription. All callers that wait for the subscription share it."""
        if not isinstance(subscription.waiter, asyncio.Future):
            subscription.waiter = asyncio.get_running_loop().create_future()
        waiter: asyncio.Future[None] = subscription.waiter
        return waiter

    # Effects of the state machine

    def _update(self) -> None:
        """Carry out the decisions of the state machine. To be called after each call of a method of it."""
        for effect in self._state.take_effects():
            self._carry_out(effect)
        if self._state.has_commands:
            self._has_commands.set()
        self._set_timer()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Settled(subscription):
                self._on_settled(subscription)
                if isinstance(subscription.waiter, asyncio.Future):
                    waiter, subscription.waiter = subscription.waiter, None
                    _complete(waiter, subscription)
            case RefusalNews(""):
                number = subscription_state.MAX_NAMED
                log.error("Redis refuses subscriptions to more than %d topics: no more are named", number)
            case RefusalNews(reason):
                log.error("Redis refuses a subscription: %s (see ACL SETUSER)", reason)
            case Restored():
                self._announce_connection()
            case Regained() if self._announcement is None:  # several come at once, and are announced once
                log.info("Redis permits again the subscriptions that it refused")
                self._announcement = asyncio.get_running_loop().call_soon(self._announce_restored)

    def _on_settled(self, subscription: Subscription) -> None:
        for subscriptions in (self._topics, self._globs):
            if not subscriptions.has(subscription):
                continue
            if subscription.status is SubscriptionStatus.CONFIRMED:
                self._tell_holding(subscriptions, subscription.name, Holding.CONFIRMED)
            elif isinstance(subscription.error, RefusedByRedis):
                self._tell_holding(subscriptions, subscription.name, Holding.REFUSED)

    def _announce_connection(self) -> None:
        self._attempt = 0
        self._connected.set()
        self._announce(is_connected=True)
        if self.reconnections:
            log.info(
                "The subscription connection to Redis is back, with %d channels and %d patterns",
                self.topics,
                self.patterns,
            )
            self._announce_restored()

    def _announce(self, *, is_connected: bool) -> None:
        if is_connected != self._is_announced:
            self._is_announced = is_connected
            for callback in self._on_connection:
                callback(is_connected)

    def _announce_restored(self) -> None:
        self._announcement = None
        for callback in self._on_restored:
            callback()

    def _set_timer(self) -> None:
        deadline = self._state.deadline
        if deadline == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        self._timer = self._timer_at = None
        self._state.on_time(deadline)
        self._update()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # The connection

    async def _run(self) -> None:
        while True:
            try:
                reason = _REASONS[await self._serve_connection()]
            except FAILURES as error:
                reason = explain(error)
            self._announce(is_connected=False)
            wait_s = backoff_s(self._attempt, FIRST_WAIT_S)
            self._attempt += 1
            log.warning("No subscription connection to Redis (%s); trying again in %.1f s", reason, wait_s)
            await asyncio.sleep(wait_s)

    async def _serve_connection(self) -> Loss:
        """Use one connection from its start to its end; return why it no longer works."""
        client = self._connect(self._attempt)
        try:
            connection = await await_redis(client.connection_pool.get_connection())
            try:
                self._state.on_connection()
                self._update()
                return await self._run_connection(connection)
            finally:
                self._connected.clear()
                self._state.on_lost(self._now())
                self._update()
                await connection.disconnect(nowait=True)
                await client.connection_pool.release(connection)
        finally:
            await client.aclose()

    async def _run_connection(self, connection: object) -> Loss:
        """Run a connection to its end, and count its loss if it had got so far as to be usable."""
        running = SubscriptionConnection(
            connection,
            state=self._state,
            update=self._update,
            has_commands=self._has_commands,
            is_usable=self._connected,
            receive=self._receive,
            receive_match=self._receive_match,
            probe=self._probe,
            heartbeat_s=self._heartbeat_s,
        )
        try:
            loss = await running.run()
        except FAILURES:
            self.losses[Loss.CLOSED] += self.is_connected
            raise
        self.losses[loss] += self.is_connected
        return loss


def _complete(waiter: asyncio.Future[None], subscription: Subscription) -> None:
    """Give the outcome of a settled subscription to a future."""
    if subscription.status is SubscriptionStatus.CONFIRMED:
        waiter.set_result(None)
        return
    assert subscription.error is not None
    waiter.set_exception(subscription.error)
    waiter.exception()  # marks it as retrieved: asyncio would log a failure that is not awaited
