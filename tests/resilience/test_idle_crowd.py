"""Thousands of clients that connect and never authenticate, beside an honest one."""

import asyncio
import resource
from typing import Self

import pytest

from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end
from tests.resilience.raw import UPGRADE

CROWD = 3000
AT_A_TIME = 50
AUTH_TIMEOUT_S = 8
MOST_BYTES_EACH = 16_384
MOST_CPU_S = 2.0
"""The server works this long at most until a message reaches the honest client."""

OPEN = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n"
CONNECT = b"\x81\x82\x00\x00\x00\x0040"
"""The text ``40`` in a frame, with a mask of zeros: the session joins the default namespace."""


@pytest.fixture(autouse=True)
def _files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * CROWD:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CROWD), hard))


class Crowd:
    """Sessions on WebSockets that never authenticate. Leaving the context closes all of them."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._open:
            writer.close()

    async def gather(self) -> None:
        for _ in range(CROWD // AT_A_TIME):
            await asyncio.gather(*(self._connect() for _ in range(AT_A_TIME)))

    async def _connect(self) -> None:
        port = self._watched.server.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        self._open.append((reader, writer))
        writer.write(OPEN + CONNECT)
        await reader.readuntil(b"\r\n\r\n")

    async def is_sent_away(self) -> bool:
        """Wait until each connection is cut. Return whether each was told why."""
        answers = await asyncio.gather(*(reader.read() for reader, _ in self._open))
        return all(b"AUTHENTICATION_TIMEOUT" in answer for answer in answers)


async def test_thousands_of_unauthenticated_clients_cost_little_and_are_disconnected(
    valkey: Valkey, watch: Watch
) -> None:
    watched = await watch(valkey.url, "--auth-timeout", str(AUTH_TIMEOUT_S), "--log-level", "warning")
    honest = await watched.connect(await watched.token())
    before = await watched.metric("process_resident_memory_bytes")
    async with Crowd(watched) as crowd:
        await crowd.gather()
        grown = await watched.metric("process_resident_memory_bytes") - before
        assert await watched.metric("hornet_sessions_opened_total") == CROWD + 1
        assert grown / CROWD < MOST_BYTES_EACH

        leaving = asyncio.create_task(crowd.is_sent_away())
        most_cpu_s = 0.0
        while not leaving.done():
            before_s = watched.cpu_s()
            await watched.publish("meanwhile")
            assert (await honest.message())["type"] == "meanwhile"
            most_cpu_s = max(most_cpu_s, watched.cpu_s() - before_s)
            await asyncio.wait({leaving}, timeout=0.02)
        assert await leaving
        assert most_cpu_s < MOST_CPU_S
    await watched.publish(END)
    assert await heard_until_end(honest) == []

    async def sessions() -> float:
        return await watched.metric("hornet_sessions")

    await eventually(sessions, 1.0)
    assert await watched.metric('hornet_refusals_total{code="AUTHENTICATION_TIMEOUT"}') == CROWD
    assert watched.server.output.count("\n") < 50, "nobody fills the log by this"
