"""A server that may open few files, and clients that want them all."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.certificates import Certificates
from tests.conftest import Valkey
from tests.e2e.waiting import eventually
from tests.resilience.conftest import END, Watch, Watched, heard_until_end

FILES, FLOOD = 64, 300
QUIET = 20
"""More log lines than this would be a flood."""

LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))
sys.modules.update(%s)
from hornet.cli import serve
sys.exit(serve())
"""
LOOPS = {"uvloop": "{}", "asyncio": "{'uvloop': None}"}


@pytest.fixture(params=LOOPS)
def program(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return sys.executable, "-c", LIMITED % LOOPS[request.param]


class Flood:
    """Connections that say nothing."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._writers: list[asyncio.StreamWriter] = []
        self._answers: list[asyncio.Task[bytes]] = []

    async def begin(self) -> None:
        for _ in range(FLOOD):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._watched.server.port)
                self._writers.append(writer)
                self._answers.append(asyncio.create_task(reader.read()))

    async def are_refused(self) -> bool:
        """Whether all got their answer that there is no file for."""
        return sum(one.done() for one in self._answers) >= FLOOD - FILES

    def end(self) -> None:
        for writer in self._writers:
            writer.close()
        for one in self._answers:
            one.cancel()


async def are_files_free(watched: Watched) -> bool:
    """Whether the server has seen the flood go; until then it may refuse whoever asks."""
    try:
        return 0 < await watched.metric("process_open_fds") < FILES // 2
    except aiohttp.ClientError:
        return False


def used_cpu_s(watched: Watched) -> float:
    fields = Path(f"/proc/{watched.server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_who_is_connected_is_served_while_no_file_is_left_and_others_come_in_again(
    valkey: Valkey, watch: Watch, program: tuple[str, ...]
) -> None:
    watched = await watch(valkey.url, program=program)
    honest = await watched.connect(await watched.token())
    flood = Flood(watched)
    await flood.begin()
    await asyncio.to_thread(watched.server.wait_for_output, "SERVER_FULL")
    used_s = used_cpu_s(watched)
    for _ in range(20):
        await watched.publish("meanwhile")
    await watched.publish(END)
    assert await heard_until_end(honest) == ["meanwhile"] * 20
    assert used_cpu_s(watched) - used_s < 1
    await eventually(flood.are_refused, True)
    assert watched.server.output.count("\n") < QUIET
    flood.end()
    await eventually(lambda: are_files_free(watched), True)
    late = await watched.connect(await watched.token())
    await watched.publish(END)
    assert await heard_until_end(late) == []
    assert await watched.metric('hornet_connections_refused_total{reason="SERVER_FULL"}') >= FLOOD - FILES


async def test_tls_handshakes_that_never_end_take_no_file_for_long(
    valkey: Valkey, watch: Watch, program: tuple[str, ...], tmp_path: Path
) -> None:
    """Nobody counts those: they use up the last file, and the loop itself has to bear that."""
    certificates = Certificates(tmp_path)
    tls = ("--tls-cert", certificates.cert, "--tls-key", certificates.key, "--handshake-timeout", "2")
    watched = await watch(valkey.url, *tls, program=program)
    flood = Flood(watched)
    await flood.begin()
    used_s = used_cpu_s(watched)

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

    await eventually(answers, True)
    assert used_cpu_s(watched) - used_s < 3
    assert watched.server.output.count("\n") < QUIET
    flood.end()
