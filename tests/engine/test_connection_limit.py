"""The limit on connections of an address without a session, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from hornet.core.codes import ADDRESS_FULL
from hornet.engine import EngineSettings
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S, until

MAX = 3


def own_address() -> str:
    """An address of this machine that is counted; nothing leaves it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a way out, sends nothing
        except OSError:
            pytest.skip("this machine has no address but 127.0.0.1, which is not counted")
        address: str = probe.getsockname()[0]
    return address


class Raw:
    """Plain connections, all of one address."""

    def __init__(self, application: Application, stack: AsyncExitStack) -> None:
        self.application = application
        self._stack = stack

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.application.url.split("/")[2].split(":")
        reader, writer = await asyncio.open_connection(host, port)
        self._stack.callback(writer.close)
        return reader, writer

    async def is_refused(self) -> bool:
        """Whether one more is too many. It asks for what ends at once."""
        before = self.refused
        reader, writer = await self.open()
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), WAIT_S)
        return self.refused > before

    @property
    def refused(self) -> int:
        return self.application.engine.counts.refused[ADDRESS_FULL]


@pytest.fixture
async def raw() -> AsyncIterator[Raw]:
    settings = EngineSettings(max_connections_per_address=MAX)
    async with (
        running(settings, through_handshake=True, host=own_address()) as application,
        AsyncExitStack() as stack,
    ):
        yield Raw(application, stack)


async def hold_silent(raw: Raw, count: int) -> list[asyncio.StreamWriter]:
    """Connections that say nothing, and have arrived."""
    pending = raw.application.sio.eio.table.pending
    before = len(pending)
    writers = [(await raw.open())[1] for _ in range(count)]
    await until(lambda: len(pending) == before + count)
    return writers


async def test_silent_connections_are_counted_until_they_close(raw: Raw) -> None:
    silent = await hold_silent(raw, MAX)
    assert await raw.is_refused()
    assert await raw.is_refused()
    silent[0].close()
    await until(lambda: len(raw.application.sio.eio.table.pending) == MAX - 1)
    assert not await raw.is_refused()


async def test_a_refused_connection_is_told_and_cut(raw: Raw) -> None:
    await hold_silent(raw, MAX)
    reader, _ = await raw.open()
    assert (await asyncio.wait_for(reader.read(), WAIT_S)).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")


async def test_connections_that_wait_after_a_request_are_counted(raw: Raw) -> None:
    kept = [await raw.open() for _ in range(MAX)]
    for reader, writer in kept:
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
    assert await raw.is_refused()
    for _, writer in kept:
        writer.close()
    await asyncio.wait_for(_until_let_in(raw), WAIT_S)


async def _until_let_in(raw: Raw) -> None:
    while await raw.is_refused():
        pass


async def test_sessions_on_websockets_do_not_count_as_connections(raw: Raw) -> None:
    url = raw.application.url + "?EIO=4&transport=websocket"
    for _ in range(2 * MAX):
        await raw.application.websocket(url)
    through_aiohttp = raw.application.url + "?EIO=4&transport=websocket&a=%20b"
    for _ in range(2 * MAX):
        await raw.application.websocket(through_aiohttp, headers={"X-Twice": "a", "x-twice": "b"})
    await hold_silent(raw, MAX - 1)
    assert not await raw.is_refused()


@pytest.mark.parametrize("host", ["127.0.0.1", "a trusted proxy"])
async def test_this_machine_and_trusted_proxies_are_not_counted(host: str) -> None:
    address = own_address() if host == "a trusted proxy" else host
    settings = EngineSettings(max_connections_per_address=1, trusted_proxies=(own_address(),))
    async with (
        running(settings, through_handshake=True, host=address) as application,
        AsyncExitStack() as stack,
    ):
        raw = Raw(application, stack)
        await hold_silent(raw, 5)
        assert not await raw.is_refused()


async def test_nothing_is_kept_of_connections_that_are_gone(raw: Raw) -> None:
    for writer in await hold_silent(raw, MAX):
        writer.close()
    await until(lambda: not len(raw.application.engine.connection_limiter))
    reader, writer = await raw.open()
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n")
    assert len(raw.application.engine.connection_limiter) == 1
    writer.close()
    await until(lambda: not len(raw.application.engine.connection_limiter))


async def test_the_limit_follows_a_reload(raw: Raw) -> None:
    await hold_silent(raw, MAX)
    raw.application.engine.configure(EngineSettings(max_connections_per_address=MAX + 2))
    assert not await raw.is_refused()
