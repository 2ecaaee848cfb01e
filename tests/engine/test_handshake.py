"""The handshake protocol takes plain requests for a WebSocket; aiohttp answers the rest, as without it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from hornet.engine.transport.handshake import parse_request
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S

PLAIN = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

UNUSUAL = {
    "a piece of a request": PLAIN[:-3],
    "another method": PLAIN.replace(b"GET", b"POST"),
    "HTTP/1.0": PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no query": PLAIN.replace(b"?EIO=4&transport=websocket", b""),
    "an escape in the path": PLAIN.replace(b"socket.io", b"socket%2Eio"),
    "a fragment": PLAIN.replace(b" HTTP", b"#x HTTP"),
    "an absolute URL": PLAIN.replace(b"GET ", b"GET http://localhost"),
    "a header twice": PLAIN.replace(b"\r\n\r\n", b"\r\nhost: other\r\n\r\n"),
    "no Host": PLAIN.replace(b"Host", b"Guest"),
    "a body": PLAIN.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
    "chunks": PLAIN.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "a folded header": PLAIN.replace(b"\r\n\r\n", b"\r\nX-A: b\r\n c\r\n\r\n"),
    "a bare line feed": PLAIN.replace(b"\r\nUpgrade", b"\nUpgrade"),
    "a space before the colon": PLAIN.replace(b"Host:", b"Host :"),
    "a header beyond ASCII": PLAIN.replace(b"localhost", "ž".encode()),
    "an empty header": PLAIN.replace(b"localhost", b""),
    "a long head": PLAIN.replace(b"localhost", b"l" * 40_000),
    "many headers": PLAIN[:-2] + b"".join(b"X%d: 1\r\n" % number for number in range(124)) + b"\r\n",
}


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with running(through_handshake=True) as started:
        yield started


async def ask(application: Application, *pieces: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent ``pieces``, each in a write of its own."""
    _, _, host, *_ = application.url.split("/")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    return reader, writer


async def status_of(application: Application, *pieces: bytes) -> int:
    reader, writer = await ask(application, *pieces)
    async with asyncio.timeout(WAIT_S):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


def test_a_plain_request_is_understood() -> None:
    request = parse_request(PLAIN + b"rest")
    assert request is not None
    path, query, headers, rest = request
    assert (path, query, rest) == (b"/socket.io/", "EIO=4&transport=websocket", b"rest")
    assert headers["upgrade"] == "websocket"
    assert headers["sec-websocket-key"] == "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_an_unusual_request_is_left_to_the_http_server(data: bytes) -> None:
    assert parse_request(data) is None


def test_no_bytes_raise() -> None:
    chance = random.Random(1)
    for _ in range(20_000):
        data = bytearray(PLAIN)
        for _ in range(chance.randrange(1, 5)):
            data[chance.randrange(len(data))] = chance.choice(b"\0\r\n :%?&\xff\x80aZ0")
        parse_request(bytes(data))


async def test_a_session_opens_with_what_came_behind_the_request(application: Application) -> None:
    connect = b"\x81\x82\0\0\0\0" + b"40"
    reader, writer = await ask(application, PLAIN + connect)
    async with asyncio.timeout(WAIT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        sid, handshake = await application.connected.get()
        await reader.readuntil(b'40{"sid":"' + sid.encode())
    assert handshake.address == "127.0.0.1"
    assert handshake.headers["host"] == "localhost"
    writer.close()
    assert await application.last_gone() == (sid, "transport close")


async def test_a_request_in_pieces_opens_a_session_all_the_same(application: Application) -> None:
    assert await status_of(application, PLAIN[:20], PLAIN[20:]) == 101


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"/socket.io/", b"/elsewhere/", 404),
        (b"EIO=4", b"EIO=9", 400),
        (b"transport=websocket", b"transport=websocket&sid=nobody", 400),
        (b"Version: 13", b"Version: 8", 400),
        (b"b25jZQ==", b"b25j", 400),
    ],
)
async def test_what_is_refused_is_refused_as_without_the_handshake_protocol(
    application: Application, old: bytes, new: bytes, status: int
) -> None:
    assert await status_of(application, PLAIN.replace(old, new)) == status
    assert application.engine.sessions == 0


async def test_polling_and_upgrades_pass_through(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"


async def test_a_connection_that_says_nothing_ends_with_the_engine(application: Application) -> None:
    reader, writer = await ask(application)
    await application.get(EIO="4", transport="polling")  # the silent one was accepted before this one
    await application.engine.stop()
    async with asyncio.timeout(WAIT_S):
        assert await reader.read() == b""
    writer.close()
