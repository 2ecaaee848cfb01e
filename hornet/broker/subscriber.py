"""The subscription connection: it receives the messages of exactly the topics and globs that are wanted.

One connection per node. A writer sends SUBSCRIBE and UNSUBSCRIBE in the order in which they were asked for;
the reader gets messages, and the confirmations in that same order. A subscription counts only when Redis has
confirmed it, so a client is told `connected` only once no publish can be missed. The decisions are in
:mod:`hornet.broker.subscription_state`; this module has the connection, the clock and the futures.

A publish whose topic is subscribed by name and matches two globs is received three times.

When the connection is lost, everything that is wanted is subscribed anew, with growing, jittered waits
between the attempts. Messages that were published in between are missed: pub/sub has no memory.

The connection is driven directly, without redis-py's ``PubSub``: that class subscribes again by itself after
a loss, does not report that, and confirms nothing to the caller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from hornet.broker import subscription_state
from hornet.broker.client import await_redis
from hornet.broker.failures import FAILURES, backoff_s, explain
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

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.1
"""Before the connection is tried again for the first time."""

MESSAGES_PER_TURN = 64
"""How many messages are handled before the loop may run something else."""

_CONFIRMATIONS = (b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe")


class Receive(Protocol):
    def __call__(self, topic: str, payload: bytes) -> None: ...


class ReceiveMatch(Protocol):
    def __call__(self, glob: str, topic: str, payload: bytes) -> None: ...


def _ignore(glob: str, topic: str, payload: bytes) -> None:
    """Stand in for the receiver of a subscriber without globs."""


class Subscriber:
    """Keeps every wanted topic and glob subscribed, while :meth:`run` runs.

    ``connect`` gives a fresh client for attempt number n. ``receive`` is called for each message on a wanted
    topic, ``receive_match`` for each message whose topic matches a wanted glob, in Redis's order. Neither may
    raise or block. A connection that is silent for ``heartbeat_s`` is probed by a PING, and replaced when no
    answer comes for as long again.
    """

    def __init__(
        self,
        *,
        connect: Callable[[int], Redis],
        receive: Receive,
        receive_match: ReceiveMatch = _ignore,
        heartbeat_s: float,
    ) -> None:
        self._connect = connect
        self._receive = receive
        self._receive_match = receive_match
        self._heartbeat_s = heartbeat_s
        self._state = SubscriptionState()
        self._topics = self._state.topics
        self._globs = self._state.globs
        self._done: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        """The deadline that the timer is for. The timer itself may round it: uvloop does."""
        self._announcement: asyncio.Handle | None = None
        self._on_restored: list[Callable[[], object]] = []
        self._attempt = 0
        self._has_commands = asyncio.Event()
        self._connected = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """True from when a connection has every topic that was wanted at its start, until it is lost."""
        return self._state.is_connected

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
        self._state.on_start(self._now())
        self._update()
        try:
            await self._run()
        finally:
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

    def _announce_connection(self) -> None:
        self._attempt = 0
        self._connected.set()
        if self.reconnections:
            log.info(
                "The subscription connection to Redis is back, with %d channels and %d patterns",
                self.topics,
                self.patterns,
            )
            self._announce_restored()

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
                await self._serve_connection()
                reason = "no answer to a heartbeat"
            except FAILURES as error:
                reason = explain(error)
            wait_s = backoff_s(self._attempt, FIRST_WAIT_S)
            self._attempt += 1
            log.warning("No subscription connection to Redis (%s); trying again in %.1f s", reason, wait_s)
            await asyncio.sleep(wait_s)

    async def _serve_connection(self) -> None:
        """Use one connection from its start to its end. Returns when it no longer answers."""
        client = self._connect(self._attempt)
        try:
            connection = await await_redis(client.connection_pool.get_connection())
            try:
                self._state.on_connection()
                self._update()
                await self._read_and_write(connection)
            finally:
                self._connected.clear()
                self._state.on_lost(self._now())
                self._update()
                await connection.disconnect(nowait=True)
                await client.connection_pool.release(connection)
        finally:
            await client.aclose()

    async def _read_and_write(self, connection: Any) -> None:
        tasks = {
            asyncio.create_task(self._write(connection), name="hornet-subscriber-write"),
            asyncio.create_task(self._read(connection), name="hornet-subscriber-read"),
        }
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def _write(self, connection: Any) -> None:
        """Send the commands that the state machine asks for."""
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            while self._state.has_commands:
                command = self._state.next_command()
                names = (name for name, _ in command.names)
                await await_redis(connection.send_command(command.word, *names, check_health=False))

    async def _read(self, connection: Any) -> None:
        """Dispatch each message; return when a PING stays unanswered for a heartbeat."""
        is_probed = False
        handled = 0
        while True:
            # redis-py takes timeout=None for its own socket_timeout and raises after it; a number gives None.
            try:
                answer = await connection.read_response(
                    timeout=self._heartbeat_s, disconnect_on_error=False, push_request=True
                )
            except NoPermissionError as error:
                is_probed = False
                self._state.on_refusal(explain(error), self._now())
                self._update()
                continue
            if answer is None:
                if is_probed:
                    return
                is_probed = True
                self._state.on_ping()
                await await_redis(connection.send_command("PING", check_health=False))
                continue
            is_probed = False
            self._dispatch(answer)
            handled += 1
            if handled % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _dispatch(self, answer: Any) -> None:
        kind = answer[0]
        if kind == b"message":
            topic = answer[1].decode()
            if topic in self._topics.wanted:
                self._receive(topic, answer[2])
        elif kind == b"pmessage":
            self._dispatch_match(answer[1].decode(), answer[2], answer[3])
        elif kind in _CONFIRMATIONS:
            self._state.on_confirmation()
            self._update()
        elif answer == b"PONG" or kind == b"pong":
            self._state.on_pong()

    def _dispatch_match(self, glob: str, topic: bytes, payload: bytes) -> None:
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            return  # a topic of another program on this Redis: Hornet's topics are text
        if glob in self._globs.wanted:
            self._receive_match(glob, name, payload)


def _complete(waiter: asyncio.Future[None], subscription: Subscription) -> None:
    """Give the outcome of a settled subscription to a future."""
    if subscription.status is SubscriptionStatus.CONFIRMED:
        waiter.set_result(None)
        return
    assert subscription.error is not None
    waiter.set_exception(subscription.error)
    waiter.exception()  # marks it as retrieved: asyncio would log a failure that is not awaited
