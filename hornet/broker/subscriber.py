"""The subscription connection: hears what backends publish, on exactly the topics that are wanted.

One connection per node. A writer sends SUBSCRIBE and UNSUBSCRIBE in the order they were asked for; the
reader gets messages and the confirmations, which Redis gives in that same order. A subscription counts
only when it is confirmed, so a client is told `connected` only once nothing published can pass it by.

A topic is wanted by its name, or by a glob that it matches (PSUBSCRIBE). Both are held, confirmed and
released in the same way. A publish whose topic is held by name and matches two globs is heard three times.

What the ACL of Redis refuses fails alone: whoever wants it is told, and it is asked for again from time to
time. Redis refuses a command as a whole, so one with several topics is asked again in halves, until those are
found that it is for.

When the connection is lost, the wanted topics are subscribed anew with growing, jittered waits. What was
published meanwhile is not heard: pub/sub has no memory.

The connection is driven directly, without redis-py's ``PubSub``: that one subscribes again by itself after a
loss, tells nobody, and confirms nothing to the caller.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from hornet.broker.acl import Refusals
from hornet.broker.backoff import backoff_s
from hornet.broker.client import heed
from hornet.broker.failures import FAILURES, explain
from hornet.broker.patience import Patience
from hornet.broker.subscribing import Command, Commands, Subscription, SubscriptionSet

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
    """For a listener that holds no globs."""


class Subscriber:
    """Keeps every topic that somebody holds subscribed, while :meth:`run` runs.

    ``connect`` gives a fresh client for attempt number n. ``receive`` is called for each message on a topic
    that is held, ``receive_match`` for each whose topic matches a glob that is, in Redis's order. Neither
    may raise or block.
    """

    def __init__(
        self,
        connect: Callable[[int], Redis],
        receive: Receive,
        receive_match: ReceiveMatch = _ignore,
        *,
        heartbeat_s: float,
    ) -> None:
        self._connect = connect
        self._receive = receive
        self._receive_match = receive_match
        self._heartbeat_s = heartbeat_s
        self._topics = SubscriptionSet(b"SUBSCRIBE", b"UNSUBSCRIBE")
        self._globs = SubscriptionSet(b"PSUBSCRIBE", b"PUNSUBSCRIBE")
        self._serving = False
        self._commands = Commands()
        self._to_restore: set[Subscription] = set()
        self._refusals = Refusals(self._enqueue)
        self._patience = Patience(self._holds)
        self._telling: asyncio.Handle | None = None
        self._on_restored: list[Callable[[], object]] = []
        self._attempt = 0
        self._work = asyncio.Event()
        self._connected = asyncio.Event()
        self.reconnections = 0
        """How many working connections were lost so far."""

    @property
    def is_connected(self) -> bool:
        """True from when a connection has every topic that was wanted at its start, until it is lost."""
        return self._connected.is_set()

    def on_restored(self, told: Callable[[], object]) -> None:
        """Have ``told`` called when a lost connection was replaced, or Redis permits again what it refused.

        What came between was not heard.
        """
        self._on_restored.append(told)

    async def wait_connected(self) -> None:
        await self._connected.wait()

    @property
    def topics(self) -> int:
        """How many topics are held now."""
        return len(self._topics.held)

    @property
    def patterns(self) -> int:
        """How many globs are held now."""
        return len(self._globs.held)

    @property
    def refused(self) -> tuple[str, ...]:
        """The topics and globs that are held now, but that Redis does not permit to this node."""
        return self._refusals.names

    @property
    def refusals(self) -> int:
        """How many times Redis refused to subscribe to something."""
        return self._refusals.count

    def hold(self, topic: str) -> asyncio.Future[None]:
        """Want ``topic`` from now on; await the result to know that Redis sends it.

        Each call is a holder and is owed one :meth:`release`, also when the waiting failed or was ended.

        Raises:
            ValueError: ``topic`` has no UTF-8; nothing is held.
            RedisUnavailable: from the result: Redis is away for ``PATIENCE_S``. It goes on to be wanted.
            RefusedByRedis: from the result: the ACL of Redis does not permit it. It is asked for again while
                it is held.
        """
        return self._hold(self._topics, topic)

    def release(self, topic: str) -> None:
        """Give up one hold; with the last one the topic is unsubscribed."""
        self._release(self._topics, topic)

    def hold_pattern(self, glob: str) -> asyncio.Future[None]:
        """As :meth:`hold`, for every topic that Redis matches with ``glob``; owed :meth:`release_pattern`.

        It costs Redis one comparison for each PUBLISH on whatever topic.
        """
        return self._hold(self._globs, glob)

    def release_pattern(self, glob: str) -> None:
        """Give up one hold; with the last one the glob is unsubscribed."""
        self._release(self._globs, glob)

    def _hold(self, wanted: SubscriptionSet, name: str) -> asyncio.Future[None]:
        hold = wanted.held.get(name)
        if hold is None:
            name.encode()
            hold = wanted.held[name] = Subscription(asyncio.get_running_loop().create_future())
            self._patience.check(hold)
            self._enqueue(wanted, name, hold)
        hold.holders += 1
        return hold.confirmed if hold.confirmed.done() else asyncio.shield(hold.confirmed)

    def _release(self, wanted: SubscriptionSet, name: str) -> None:
        hold = wanted.held[name]
        hold.holders -= 1
        if not hold.holders:
            del wanted.held[name]
            self._refusals.forget(hold)
            self._enqueue(wanted, name, None)

    async def run(self) -> None:
        """Listen until cancelled, through any number of lost connections."""
        self._patience.begin()
        try:
            await self._run()
        finally:
            self._patience.end()

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
        """One connection, from its start to its end. Returns when it no longer answers."""
        client = self._connect(self._attempt)
        try:
            connection = await heed(client.connection_pool.get_connection())
            try:
                self._want_all_again()
                await self._read_and_write(connection)
            finally:
                self._lose_all()
                await connection.disconnect(nowait=True)
                await client.connection_pool.release(connection)
        finally:
            await client.aclose()

    async def _read_and_write(self, connection: Any) -> None:
        work = {
            asyncio.create_task(self._write(connection), name="hornet-listener-write"),
            asyncio.create_task(self._read(connection), name="hornet-listener-read"),
        }
        try:
            ended, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in ended:
            task.result()

    def _want_all_again(self) -> None:
        """A fresh connection has no subscriptions: ask for all that is wanted."""
        self._serving = True
        for wanted in (self._topics, self._globs):
            for name, hold in wanted.held.items():
                self._to_restore.add(hold)
                hold.renew()
                self._enqueue(wanted, name, hold)
        if not self._to_restore:
            self._restored()

    def _restored(self) -> None:
        self._attempt = 0
        self._patience.end()
        self._connected.set()
        if self.reconnections:
            log.info(
                "The subscription connection to Redis is back, with %d channels and %d patterns",
                self.topics,
                self.patterns,
            )
            self._tell_restored()

    def _tell_restored(self) -> None:
        self._telling = None
        for told in self._on_restored:
            told()

    def _regained(self) -> None:
        """Redis permits again what it refused. Several come at once: those who follow are told once."""
        if self._telling is None:
            log.info("Redis lets this node listen again on what it refused")
            self._telling = asyncio.get_running_loop().call_soon(self._tell_restored)

    def _lose_all(self) -> None:
        """With the connection go its subscriptions: none is confirmed until it is on the next one."""
        self._serving = False
        self.reconnections += self.is_connected
        self._connected.clear()
        self._commands.clear()
        self._to_restore.clear()
        self._refusals.pause()
        for hold in self._holds():
            hold.renew()
        self._patience.begin()

    def _holds(self) -> Iterator[Subscription]:
        return itertools.chain(self._topics.held.values(), self._globs.held.values())

    def _enqueue(self, wanted: SubscriptionSet, name: str, hold: Subscription | None) -> None:
        if self._serving:  # else the next connection asks for whatever is wanted then
            self._commands.ask(wanted, name, hold)
            self._work.set()

    async def _write(self, connection: Any) -> None:
        """Send what was asked for."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._commands.unsent:
                command = self._commands.send()
                names = (name for name, _ in command.names)
                await heed(connection.send_command(command.word, *names, check_health=False))

    async def _read(self, connection: Any) -> None:
        """Dispatch what arrives; return when a probe stays unanswered for a heartbeat."""
        probed = False
        handled = 0
        while True:
            # redis-py takes timeout=None for its own socket_timeout and raises after it; a number gives None.
            try:
                answer = await connection.read_response(
                    timeout=self._heartbeat_s, disconnect_on_error=False, push_request=True
                )
            except NoPermissionError as error:
                probed = False
                self._on_refusal(explain(error))
                continue
            if answer is None:
                if probed:
                    return
                probed = True
                self._commands.sent.append(Command(None, b"PING"))
                await heed(connection.send_command("PING", check_health=False))
                continue
            probed = False
            self._dispatch(answer)
            handled += 1
            if handled % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _dispatch(self, answer: Any) -> None:
        kind = answer[0]
        if kind == b"message":
            topic = answer[1].decode()
            if topic in self._topics.held:
                self._receive(topic, answer[2])
        elif kind == b"pmessage":
            self._dispatch_match(answer[1].decode(), answer[2], answer[3])
        elif kind in _CONFIRMATIONS:
            self._on_confirmation()
        elif answer == b"PONG" or kind == b"pong":
            self._commands.sent.popleft()

    def _on_confirmation(self) -> None:
        name, hold = self._commands.confirm()
        if hold is None:
            return
        if self._refusals.granted(name, hold) and self.is_connected:
            self._regained()
        self._confirm(hold)

    def _confirm(self, hold: Subscription) -> None:
        hold.confirm()
        self._settle(hold)

    def _on_refusal(self, reason: str) -> None:
        """The oldest command that waits for its answer was refused, with all its names."""
        command = self._commands.sent.popleft()
        wanted = command.wanted
        if wanted is None or not command.subscribes:
            return  # a PING; or what nobody holds goes on to be sent, and is ignored
        for name, hold in command.names:
            if hold is not None and not wanted.has(name, hold):
                self._confirm(hold)  # nobody waits for it any more
        still = [(name, hold) for name, hold in command.names if wanted.has(name, hold)]
        if len(command.names) > 1:
            self._commands.ask_in_halves(command, still)
            self._work.set()
            return
        for name, hold in still:
            if hold is not None:
                self._refusals.refuse(wanted, name, hold, reason)
                self._settle(hold)

    def _settle(self, hold: Subscription) -> None:
        """Redis has answered about it. The connection counts as restored when it has about all of them."""
        if hold in self._to_restore:
            self._to_restore.discard(hold)
            if not self._to_restore:
                self._restored()

    def _dispatch_match(self, glob: str, topic: bytes, payload: bytes) -> None:
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            return  # a topic of others on this Redis; none of Hornet's has such a name
        if glob in self._globs.held:
            self._receive_match(glob, name, payload)
