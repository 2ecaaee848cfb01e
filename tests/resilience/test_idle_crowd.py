"""Thousands of clients that connect and show nothing, beside an honest one."""

import asyncio
import resource
import time

import pytest

from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end
from tests.resilience.raw import UPGRADE

CROWD = 3000
AT_A_TIME = 50
AUTH_TIMEOUT_S = 12
MOST_BYTES_EACH = 16_384
LATEST_S = 5.0
"""A message to the honest client takes this long at most, on a machine that is busy with other tests."""

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
    """Sessions on WebSockets that never say who they are."""

    def __init__(self, watched: Watched) -> None:
        self._port = watched.server.port
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def gather(self) -> None:
        for _ in range(CROWD // AT_A_TIME):
            self._open += await asyncio.gather(*(self._connect() for _ in range(AT_A_TIME)))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        writer.write(OPEN + CONNECT)
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def is_sent_away(self) -> bool:
        """Return once each was told why and cut; True if all were told."""
        said = await asyncio.gather(*(reader.read() for reader, _ in self._open))
        for _, writer in self._open:
            writer.close()
        return all(b"AUTHENTICATION_TIMEOUT" in one for one in said)


async def test_thousands_who_never_authenticate_cost_little_and_are_sent_away(
    valkey: Valkey, watch: Watch
) -> None:
    watched = await watch(valkey.url, "--auth-timeout", str(AUTH_TIMEOUT_S), "--log-level", "warning")
    honest = await watched.connect(await watched.token())
    before = await watched.metric("process_resident_memory_bytes")
    crowd = Crowd(watched)
    await crowd.gather()
    grown = await watched.metric("process_resident_memory_bytes") - before
    assert await watched.metric("hornet_sessions_opened_total") == CROWD + 1
    assert grown / CROWD < MOST_BYTES_EACH

    leaving = asyncio.create_task(crowd.is_sent_away())
    slowest_s, count = 0.0, 0
    while not leaving.done():
        began = time.monotonic()
        await watched.publish("meanwhile")
        assert (await honest.message())["type"] == "meanwhile"
        slowest_s, count = max(slowest_s, time.monotonic() - began), count + 1
        await asyncio.wait({leaving}, timeout=0.02)
    assert await leaving
    assert slowest_s < LATEST_S
    await watched.publish(END)
    assert await heard_until_end(honest) == []

    async def sessions() -> float:
        return await watched.metric("hornet_sessions")

    await eventually(sessions, 1.0)
    assert await watched.metric('hornet_refusals_total{code="AUTHENTICATION_TIMEOUT"}') == CROWD
    assert watched.server.output.count("\n") < 50, "nobody fills the log by this"
