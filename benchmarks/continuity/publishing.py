"""Publishes numbers on every channel: recorded by Redis' function, over a node's HTTP API, or plainly."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence

import aiohttp
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, MasterDownError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from benchmarks.continuity.ledger import Ledger
from hornet.broker.keys import channel_topic

FORMS = ("recorded", "http", "plain")
HISTORY = "{hornet:history}"
TIMEOUT_S = 2.0
RETRY_S = 0.1
NOT_DONE = ("NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "UNKNOWN")


class NotPublished(Exception):
    """The message was certainly not published, and may be published again."""


class Uncertain(Exception):
    """Nobody knows whether the message was published."""


class Publishing:
    """One publisher for each channel, so that the numbers of a channel are published in order.

    ``port`` tells on which port the Redis is that may be written to.
    """

    def __init__(
        self,
        ledger: Ledger,
        forms: Sequence[str],
        rate: float,
        port: Callable[[], int],
        nodes: Sequence[str],
        http: aiohttp.ClientSession,
    ) -> None:
        self.published = 0
        self.uncertain = 0
        self._ledger = ledger
        self._forms = forms
        self._every_s = len(ledger.numbers) / rate
        self._port, self._nodes, self._http = port, nodes, http
        self._clients: dict[int, Redis] = {}
        self._stopped = asyncio.Event()

    async def wait_until_recorded(self, deadline_s: float) -> bool:
        """Wait until Redis has the function that records; return False if it does not come."""
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    try:
                        await self._record("continuity-start", {"type": "start"})
                    except (NotPublished, Uncertain):
                        await asyncio.sleep(RETRY_S)
                    else:
                        return True
        except TimeoutError:
            return False

    async def run(self) -> None:
        """Publish until :meth:`stop`."""
        async with asyncio.TaskGroup() as all_channels:
            for i, channel in enumerate(self._ledger.numbers):
                all_channels.create_task(self._publish_numbers(channel, self._forms[i % len(self._forms)]))

    def stop(self) -> None:
        """End :meth:`run` once each channel has had one more number that was certainly published."""
        self._stopped.set()

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def _publish_numbers(self, channel: str, form: str) -> None:
        numbers = self._ledger.numbers[channel]
        await asyncio.sleep(random.random() * self._every_s)
        while True:
            last = self._stopped.is_set()
            certain = await self._publish(channel, form, numbers.last + 1)
            numbers.published(numbers.last + 1, certain=certain)
            self.published += 1
            self.uncertain += not certain
            if last and certain:
                return
            await asyncio.sleep(self._every_s)

    async def _publish(self, channel: str, form: str, number: int) -> bool:
        """Publish one number. Return False if nobody knows whether it was published."""
        message = {"type": "number", "number": number, "text": "x" * 80}
        way = {"recorded": self._record, "http": self._post, "plain": self._publish_plainly}[form]
        while True:
            try:
                await way(channel, message)
            except NotPublished:
                await asyncio.sleep(RETRY_S)
            except Uncertain:
                return False
            else:
                return True

    async def _record(self, channel: str, message: dict[str, object]) -> None:
        words = ("FCALL", "hornet_publish", 1, HISTORY, channel, json.dumps(message))
        await self._command(*words)

    async def _publish_plainly(self, channel: str, message: dict[str, object]) -> None:
        await self._command("PUBLISH", channel_topic(channel), json.dumps(message))

    async def _command(self, *words: object) -> None:
        port = self._port()
        if port not in self._clients:
            self._clients[port] = Redis(port=port, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        try:
            await self._clients[port].execute_command(*words)
        except (ReadOnlyError, BusyLoadingError, MasterDownError) as error:
            raise NotPublished from error
        except ResponseError as error:
            if "Function not found" in str(error) or str(error).startswith(NOT_DONE):
                raise NotPublished from error
            raise
        except RedisConnectionError as error:
            raise (NotPublished if "connecting to" in str(error) else Uncertain) from error
        except (RedisError, OSError, TimeoutError) as error:
            raise Uncertain from error

    async def _post(self, channel: str, message: dict[str, object]) -> None:
        body = {"channels": channel, "type": message["type"], "message": message}
        url = f"{random.choice(self._nodes)}/api/publish"
        try:
            async with self._http.post(url, json=body, timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as response:
                if response.status == 200:
                    return
                raise Uncertain
        except aiohttp.ClientConnectorError as error:
            raise NotPublished from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Uncertain from error
