"""HTTP connections between two requests: idle ones, and those that send half of the next request."""

import asyncio
from contextlib import suppress

from aiohttp import web

from hornet.engine import Engine, EngineSettings
from hornet.process.http_connection import HttpConnection, http_factory
from tests.conftest import StartServer
from tests.e2e.waiting import DEADLINE_S
from tests.resilience.raw import UPGRADE

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


async def test_the_head_of_a_second_request_has_to_come_in_time_as_that_of_the_first(
    start_server: StartServer,
) -> None:
    server = start_server("--handshake-timeout", "0.3")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(REQUEST)
    await reader.readuntil(b'{"status": "live"}')
    loop = asyncio.get_running_loop()
    begun = loop.time()
    reading = asyncio.create_task(reader.read())
    writer.write(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
    for _ in range(10_000):
        writer.write(b"a")
        await asyncio.wait((reading,), timeout=0.02)
        if reading.done():
            break
    assert (await reading).startswith(b"HTTP/1.1 408 ")
    assert loop.time() - begun > 0.25
    writer.close()
    metrics = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b'hornet_connections_refused_total{reason="HANDSHAKE_TIMEOUT"} 1.0' in metrics


async def test_an_empty_line_behind_a_request_begins_no_other(start_server: StartServer) -> None:
    server = start_server("--handshake-timeout", "0.2")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for _ in range(2):
        writer.write(REQUEST + b"\r\n")
        await reader.readuntil(b'{"status": "live"}')
        await asyncio.sleep(0.4)
    writer.close()


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_what_came_behind_a_poll_counts_until_it_is_answered_or_the_connection_is_gone(
    start_server: StartServer,
) -> None:
    options = ("--max-unauthenticated-held", "100000", "--ping-interval", "0.3", "--ping-timeout", "20")
    server = start_server(*options)
    polling = b"GET /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: localhost\r\n"
    upgrade = polling.replace(b"polling", b"websocket") + UPGRADE
    cookie = b"Cookie: " + b"a" * 30_000 + b"\r\n\r\n"

    async def pipeline(behind: bytes, end: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(polling % b"" + b"\r\n")
        opened = await reader.readuntil(b"}")
        sid = b"&sid=" + opened.split(b'"sid":"')[1].split(b'"')[0]
        writer.write(polling % sid + b"\r\n" + (behind % sid if b"%" in behind else behind) + cookie)
        if end:
            await asyncio.wait_for(reader.readuntil(end), DEADLINE_S)
        writer.close()
        await writer.wait_closed()

    waiting = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(4)]
    for _, writer in waiting:  # the first request of a connection waits for none
        writer.write(polling % b"" + cookie)
    for _ in range(5):
        await pipeline(REQUEST[:-2], b'{"status": "live"}')
        await pipeline(upgrade, b"101 Switching Protocols")
        await pipeline(REQUEST[:-2], b"")
    metrics = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"TOO_MUCH_UNFINISHED" not in metrics
    for _, writer in waiting:
        writer.close()


async def test_a_first_poll_of_a_connection_is_not_counted_while_it_waits(start_server: StartServer) -> None:
    """Behind some balancers each poll comes over a connection of its own."""
    server = start_server("--max-unauthenticated-held", "20000")
    polling = b"GET /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: localhost\r\n"
    writers = []
    for _ in range(5):
        opened = await ask(server.port, polling % b"" + b"Connection: close\r\n\r\n")
        sid = b"&sid=" + opened.split(b'"sid":"')[1].split(b'"')[0]
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(polling % sid + b"Cookie: " + b"a" * 10_000 + b"\r\n\r\n")
        writers.append(writer)
    metrics = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"TOO_MUCH_UNFINISHED" not in metrics
    for writer in writers:
        writer.close()


LOOK = b"GET /look HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_LOOK = LOOK[:-2] + b"Connection: close\r\n\r\n"


class HastyResponse(web.Response):
    """A response behind which the next request comes at once, before aiohttp waits for one."""

    def __init__(self, connection: HttpConnection, following: bytes) -> None:
        super().__init__(text="first")
        self._connection = connection
        self._following = following

    async def write_eof(self, data: bytes = b"") -> None:
        await super().write_eof(data)
        asyncio.get_running_loop().call_soon(self._connection.data_received, self._following)


async def test_a_request_that_comes_right_behind_an_answer_is_not_counted_as_waiting_for_it() -> None:
    engine = Engine(EngineSettings())
    app = web.Application()
    held: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        assert isinstance(request.protocol, HttpConnection)
        return HastyResponse(request.protocol, LOOK * (int(request.query["following"]) - 1) + LAST_LOOK)

    async def look(request: web.Request) -> web.Response:
        held.append(engine.sio.eio.table.newcomers.held)
        return web.Response(text="second")

    app.router.add_get("/first", answer)
    app.router.add_get("/look", look)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(
        http_factory(runner.server, engine, keepalive_timeout_s=DEADLINE_S), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    for count in (1, 2):
        answers = await ask(port, b"GET /first?following=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % count)
        assert answers.endswith(b"second")
    assert held[0] == 0
    assert held[1] > 0, "the second of two that come together waits for the first"
    server.close()
    await runner.cleanup()


async def test_a_body_of_very_many_small_chunks_is_cut(start_server: StartServer) -> None:
    server = start_server("--max-unauthenticated-byte-rate", "50000")
    head = b"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for data, is_cut in (
        (b"1000\r\n%s\r\n" % (b" " * 4096) * 20 + b"0\r\n\r\n", False),
        (b"1\r\n \r\n" * 50_000, True),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head + data)
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read() if is_cut else reader.readline(), DEADLINE_S)
            assert is_cut or answer.startswith(b"HTTP/1.1 4")
        writer.close()
    metrics = await ask(server.port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b'hornet_malformed_packets_total{fault="too_many_bytes"} 1.0' in metrics
