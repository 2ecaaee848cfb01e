"""The judgement of the probe, on a connection and a Redis that do what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hornet.broker.subscription_probe import PROBES_PER_PING, Loss, SubscriptionProbe
from hornet.core.errors import RedisUnavailable
from tests.e2e.waiting import eventually

INTERVAL_S = 0.03


class Connection:
    """A connection and its Redis. ``delivers`` and ``pongs`` are False where an answer is lost."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.turns = 0
        self.pings = 0
        self.asked = 0
        """How many PINGs were sent."""
        self.published = 0
        self.delivers = self.pongs = self.answers = True
        self.is_busy = False
        self.probe = SubscriptionProbe(topic="probe", publish=self.publish, interval_s=interval_s)

    async def ping(self) -> None:
        self.asked += 1
        self.pings += not self.pongs

    async def publish(self, topic: str, text: str) -> None:
        await asyncio.sleep(0)
        self.turns += self.is_busy
        if not self.answers:
            raise RedisUnavailable("it hangs")
        self.published += 1
        if self.delivers:
            self.probe.receive(topic, text.encode())

    def carry(self) -> None:
        """Do as a heartbeat does."""
        text = self.probe.next_text()
        if not self.answers:
            self.probe.on_not_carried()
            return
        if self.delivers:
            self.probe.receive("probe", text.encode())
        self.probe.on_carried(text)

    async def after(self, probes: int) -> None:
        """Wait until so many more probes were published."""
        wanted = self.published + probes

        async def enough() -> bool:
            return self.published >= wanted

        await eventually(enough, True)


@asynccontextmanager
async def watching(
    interval_s: float = INTERVAL_S,
) -> AsyncIterator[tuple[Connection, "asyncio.Task[Loss]"]]:
    connection = Connection(interval_s)
    task = asyncio.create_task(connection.probe.watch(connection))
    await connection.probe.wait_receiving()
    try:
        yield connection, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not connection.probe.is_receiving


async def test_a_connection_that_receives_its_probes_is_kept() -> None:
    async with watching() as (connection, task):
        await connection.after(probes=5)
        assert not task.done()
        assert connection.probe.is_receiving


async def test_two_probes_that_do_not_arrive_mean_a_deaf_connection() -> None:
    async with watching() as (connection, task):
        connection.delivers = False
        assert await task is Loss.DEAF
        assert connection.published <= 4


async def test_pings_without_an_answer_mean_a_connection_that_takes_no_commands() -> None:
    async with watching() as (connection, task):
        connection.pongs = False
        assert await task is Loss.MUTE
        assert connection.published <= 3 + PROBES_PER_PING


async def test_a_ping_goes_with_every_few_probes_only() -> None:
    async with watching() as (connection, _):
        await connection.after(probes=4 * PROBES_PER_PING)
        assert 3 <= connection.asked <= 5


async def test_carried_probes_that_arrive_need_no_command() -> None:
    async with watching() as (connection, task):
        while connection.asked < 2:
            connection.carry()
            await asyncio.sleep(INTERVAL_S / 10)
        assert connection.probe.is_receiving
        assert not task.done()
        assert connection.published == 1


async def test_where_nothing_carries_probes_they_go_by_themselves() -> None:
    async with watching() as (connection, _):
        await connection.after(probes=3)


async def test_a_carried_probe_that_does_not_arrive_is_followed_by_one_of_its_own() -> None:
    async with watching(interval_s=0.3) as (connection, task):
        connection.delivers = False
        connection.carry()
        assert await task is Loss.DEAF
        assert connection.published <= 3


async def test_after_a_heartbeat_that_failed_only_a_probe_that_arrives_shows_that_messages_do() -> None:
    async with watching() as (connection, _):
        connection.delivers = connection.answers = False
        connection.carry()
        assert not connection.probe.is_receiving
        connection.answers = True
        connection.carry()
        assert not connection.probe.is_receiving
        connection.delivers = True
        connection.carry()
        assert connection.probe.is_receiving


async def test_a_late_probe_of_a_busy_connection_counts_little() -> None:
    """Otherwise a node with too much to do would lose all that waits for it."""
    async with watching() as (connection, task):
        connection.is_busy = True
        connection.delivers = False
        await connection.after(probes=10)
        assert not task.done()
        assert connection.probe.is_receiving
        assert await task is Loss.DEAF


async def test_a_redis_that_takes_no_probe_tells_nothing_about_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    async with watching() as (connection, task):
        connection.answers = connection.pongs = False

        async def is_receiving() -> bool:
            return connection.probe.is_receiving

        await eventually(is_receiving, False)
        await asyncio.sleep(10 * INTERVAL_S)
        assert not task.done()
        connection.answers = connection.pongs = True
        connection.pings = 0
        await connection.probe.wait_receiving()
        assert connection.probe.outages == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.parametrize("payload", [b"", b"x", b"-1", b"9" * 5000, b"99", "٣".encode(), b"\xff", b" 1"])
async def test_what_others_publish_on_the_topic_is_ignored(payload: bytes) -> None:
    connection = Connection()
    connection.probe.receive("probe", payload)
    assert not connection.probe.is_receiving
