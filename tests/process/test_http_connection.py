"""HTTP connections that are idle between two requests."""

import asyncio

from tests.conftest import StartServer
from tests.e2e.waiting import DEADLINE_S

REQUEST = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_an_idle_connection_is_kept_as_long_as_the_operator_says(start_server: StartServer) -> None:
    server = start_server("--keepalive-timeout", "0.5")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        writer.write(REQUEST)
        await reader.readuntil(b'{"status": "live"}')
        answered = loop.time()
    assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b"", "the server closes it, without a word"
    assert loop.time() - answered > 0.4
    writer.close()
