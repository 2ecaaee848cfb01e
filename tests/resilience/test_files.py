"""A server that may open few files, and clients that take them all."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

import aiohttp
import pytest

from tests.certificates import Certificates
from tests.conftest import Valkey
from tests.e2e.server import LOOPS
from tests.e2e.server import program as program_on
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end

FILES, FLOOD = 64, 300
QUIET = 20
"""So many log lines would be a flood."""

FEW_FILES = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))"


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The words that start a server with few files, on each event loop in turn."""
    return program_on(request.param, FEW_FILES)


class Flood:
    """Connections that send nothing. Leaving the context closes all of them."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._writers: list[asyncio.StreamWriter] = []
        self._answers: list[asyncio.Task[bytes]] = []

    async def __aenter__(self) -> Self:
        for _ in range(FLOOD):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._watched.server.port)
                self._writers.append(writer)
                self._answers.append(asyncio.create_task(reader.read()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()
        for answer in self._answers:
            answer.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)

    async def are_refused(self) -> bool:
        """Return whether each connection that there is no file for was answered."""
        return sum(answer.done() for answer in self._answers) >= FLOOD - FILES


async def are_files_free(watched: Watched) -> bool:
    """Return whether the server has seen the flood go. Until then it may refuse this question, too."""
    try:
        return 0 < await watched.metric("process_open_fds") < FILES // 2
    except aiohttp.ClientError:
        return False


async def test_connected_clients_are_served_while_no_file_is_left_and_others_come_in_again(
    valkey: Valkey, watch: Watch, program: tuple[str, ...]
) -> None:
    watched = await watch(valkey.url, program=program)
    honest = await watched.connect(await watched.token())
    async with Flood(watched) as flood:
        await asyncio.to_thread(watched.server.wait_for_output, "SERVER_FULL")
        before_s = watched.cpu_s()
        for _ in range(20):
            await watched.publish("meanwhile")
        await watched.publish(END)
        assert await heard_until_end(honest) == ["meanwhile"] * 20
        assert watched.cpu_s() - before_s < 1
        await eventually(flood.are_refused, True)
        assert watched.server.output.count("\n") < QUIET
    await eventually(lambda: are_files_free(watched), True)
    late = await watched.connect(await watched.token())
    await watched.publish(END)
    assert await heard_until_end(late) == []
    assert await watched.metric('hornet_connections_refused_total{reason="SERVER_FULL"}') >= FLOOD - FILES


async def test_tls_handshakes_that_never_end_take_no_file_for_long(
    valkey: Valkey, watch: Watch, program: tuple[str, ...], tmp_path: Path
) -> None:
    """No limit counts these connections: they use up the last file, and the event loop must cope with it."""
    certificates = Certificates(tmp_path)
    tls = ("--tls-cert", certificates.cert, "--tls-key", certificates.key, "--handshake-timeout", "2")
    watched = await watch(valkey.url, *tls, program=program)

    async def answers() -> bool:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", watched.server.port, ssl=certificates.client_context()
            )
        except OSError:
            return False
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        status = await reader.read(12)
        writer.close()
        return status == b"HTTP/1.1 200"

    async with Flood(watched):
        before_s = watched.cpu_s()
        await eventually(answers, True)
        assert watched.cpu_s() - before_s < 3
        assert watched.server.output.count("\n") < QUIET
