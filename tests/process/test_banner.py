"""The text at the start, and the metric, that say what the server runs on."""

import asyncio

import aiohttp
import pytest

from hornet._version import __version__
from tests.conftest import StartServer
from tests.e2e.server import program


@pytest.mark.parametrize(
    ("loop", "options", "line"),
    [
        ("uvloop", (), "uvloop"),
        (
            "asyncio",
            ("--no-compiled",),
            "asyncio (uvloop is faster: install the extra 'speed'), no compiled part (turned off)",
        ),
    ],
)
async def test_the_server_says_its_event_loop_and_whether_the_compiled_part_is_in_use(
    start_server: StartServer, loop: str, options: tuple[str, ...], line: str
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = await asyncio.to_thread(lambda: start_server(*options, program=program(loop)))
    assert f"  Runs on    {line}" in server.stdout
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics") as answer:
        [info] = [
            text for text in (await answer.text()).splitlines() if text.startswith("hornet_build_info{")
        ]
    assert f'version="{__version__}"' in info
    assert f'loop="{loop}"' in info
    if options:
        assert 'compiled="no"' in info
