"""One subscription connection, from its start to its end: it writes commands, and reads what Redis sends.

The connection is driven directly, without redis-py's ``PubSub``: that class subscribes again by itself after
a loss, does not report that, and confirms nothing to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from redis.exceptions import NoPermissionError

from hornet.broker.client import await_redis
from hornet.broker.failures import explain
from hornet.broker.subscription_probe import Loss, SubscriptionProbe
from hornet.broker.subscription_state import SubscriptionState

MESSAGES_PER_TURN = 64
"""How many messages are handled before the loop may run something else."""

SETUP_SILENCE_S = 2.0
"""How long a connection may be silent before it is usable. Giving it up early loses nothing."""

_CONFIRMATIONS = (b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe")


class Receive(Protocol):
    def __call__(self, topic: str, payload: bytes) -> None: ...


class ReceiveMatch(Protocol):
    def __call__(self, glob: str, topic: str, payload: bytes) -> None: ...


class SubscriptionConnection:
    """Runs ``connection`` for the state machine, which is told of every event; then ``update`` is called."""

    def __init__(
        self,
        connection: Any,
        *,
        state: SubscriptionState,
        update: Callable[[], object],
        has_commands: asyncio.Event,
        is_usable: asyncio.Event,
        receive: Receive,
        receive_match: ReceiveMatch,
        probe: SubscriptionProbe | None,
        heartbeat_s: float,
    ) -> None:
        self.turns = 0
        self.pings = 0
        self._connection = connection
        self._state = state
        self._topics = state.topics
        self._globs = state.globs
        self._update = update
        self._has_commands = has_commands
        self._is_usable = is_usable
        self._receive = receive
        self._receive_match = receive_match
        self._probe = probe
        self._heartbeat_s = heartbeat_s
        self._silence_s = min(heartbeat_s, SETUP_SILENCE_S)

    async def run(self) -> Loss:
        """Read and write until the connection no longer works; return why.

        Raises:
            FAILURES: it was closed.
        """
        tasks: set[asyncio.Task[Loss]] = {
            asyncio.create_task(self._write(), name="hornet-subscriber-write"),
            asyncio.create_task(self._read(), name="hornet-subscriber-read"),
            asyncio.create_task(self._watch(), name="hornet-subscriber-probe"),
        }
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(iter(ended)).result()

    async def ping(self) -> None:
        """Send a PING."""
        self.pings += 1
        self._state.on_ping()
        await await_redis(self._connection.send_command("PING", check_health=False))

    async def _write(self) -> Loss:
        """Send the commands that the state machine asks for."""
        while True:
            await self._has_commands.wait()
            self._has_commands.clear()
            while self._state.has_commands:
                command = self._state.next_command()
                names = (name for name, _ in command.names)
                await await_redis(self._connection.send_command(command.word, *names, check_health=False))

    async def _watch(self) -> Loss:
        """Probe the connection from when it is usable."""
        await self._is_usable.wait()
        self._silence_s = self._heartbeat_s
        if self._probe is None:
            await asyncio.Event().wait()  # until cancelled
            raise AssertionError
        return await self._probe.watch(self)

    async def _read(self) -> Loss:
        """Dispatch each message; return when the connection is silent, even after a PING."""
        is_silent = False
        handled = 0
        while True:
            # redis-py takes timeout=None for its own socket_timeout and raises after it; a number gives None.
            try:
                answer = await self._connection.read_response(
                    timeout=self._silence_s, disconnect_on_error=False, push_request=True
                )
            except NoPermissionError as error:
                is_silent = False
                self._state.on_refusal(explain(error), asyncio.get_running_loop().time())
                self._update()
                continue
            if answer is None:
                if is_silent:
                    return Loss.SILENT
                is_silent = True
                await self.ping()
                continue
            is_silent = False
            self._dispatch(answer)
            handled += 1
            if handled % MESSAGES_PER_TURN == 0:
                self.turns += 1
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
            self.pings -= 1
            self._state.on_pong()

    def _dispatch_match(self, glob: str, topic: bytes, payload: bytes) -> None:
        try:
            name = topic.decode()
        except UnicodeDecodeError:
            return  # a topic of another program on this Redis: Hornet's topics are text
        if glob in self._globs.wanted:
            self._receive_match(glob, name, payload)
