"""Sessions that come not over plain TCP: under TLS, where a takeover meets another transport, and on Unix."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from hornet.engine import Engine, EngineSettings
from hornet.engine.transport.direct_write import NO_SOCKET
from tests.engine.application import Application, Text, running
from tests.engine.caller import WAIT_S

LONG = "é" * 300_000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=[False, True], ids=["aiohttp", "through_handshake"])
async def secure(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> AsyncIterator[Application]:
    """An engine behind TLS, served by aiohttp or by the handshake protocol; its HTTP client trusts it."""
    settings = EngineSettings(send_buffer_bytes=1_048_576, max_payload_bytes=2_000_000)
    async with running(settings, ssl_context=server_tls, through_handshake=request.param) as application:
        connector = aiohttp.TCPConnector(ssl=client_tls, limit=0)
        async with aiohttp.ClientSession(connector=connector) as client:
            plain, application.http = application.http, client
            await plain.close()
            yield application
            await asyncio.gather(*(ws.close() for ws in application.websockets))


async def test_a_websocket_under_tls_carries_long_messages_both_ways(secure: Application) -> None:
    ws, sid = await secure.open_websocket()
    await ws.send_str(f'42["echo","{LONG}"]')
    assert await ws.receive_str() == f'42["echo","{LONG}"]'
    for number in range(20):
        secure.engine.fan_out("all", Text(f"{number} {LONG[:1000]}"))
    assert [await ws.receive_str() for _ in range(20)] == [
        f'42["message","{number} {LONG[:1000]}"]' for number in range(20)
    ]
    await ws.close()
    assert await secure.last_gone() == (sid, "transport close")


async def test_tls_is_never_written_past(secure: Application) -> None:
    _, sid = await secure.open_websocket()
    [session] = secure.engine.sio.manager.sessions.values()
    assert session.sid == sid
    assert session.ws is not None
    assert session.socket == NO_SOCKET


async def test_a_session_under_tls_upgrades(secure: Application) -> None:
    eio_sid, sid = await secure.open_polling()
    ws = await secure.websocket(f"{secure.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"
    secure.engine.send(sid, "queued")
    await ws.send_str("5")
    assert await ws.receive_str() == '42["queued"]'
    secure.engine.disconnect(sid)
    assert await ws.receive_str() == "41"
    assert (await ws.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE


async def test_a_handshake_says_that_it_came_under_tls(secure: Application) -> None:
    await secure.get(EIO="3", transport="polling")
    assert (await secure.connected.get())[1].secure


async def test_a_slow_reader_under_tls_is_disconnected(secure: Application) -> None:
    ws, sid = await secure.open_websocket()
    transport: Any = ws._response.connection.transport  # type: ignore[union-attr]  # there is no public way
    transport.pause_reading()
    message = Text(LONG)
    for _ in range(40):
        secure.engine.fan_out("all", message)
        await asyncio.sleep(0)
    assert await secure.last_gone() == (sid, "slow reader")
    transport.abort()


async def test_a_connection_under_tls_that_is_cut_ends_its_session(secure: Application) -> None:
    ws, sid = await secure.open_websocket()
    transport: Any = ws._response.connection.transport  # type: ignore[union-attr]  # there is no public way
    transport.abort()
    assert (await secure.last_gone())[0] == sid


async def test_a_unix_socket_serves_polls_and_websockets(tmp_path: Path) -> None:
    application = Application()
    application.engine = Engine(EngineSettings(trusted_proxies=("0.0.0.0/0",)))
    app = web.Application()
    application.engine.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    path = str(tmp_path / "hornet.sock")
    await web.UnixSite(runner, path).start()
    await application.engine.start(application)
    application.url = "http://hornet/socket.io/"
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as application.http:
        ws, _ = await application.open_websocket()
        eio_sid, _ = await application.open_polling()
        application.engine.fan_out("all", Text("x"))
        assert await ws.receive_str() == '42["message","x"]'
        assert await application.poll(eio_sid) == '42["message","x"]'
        await application.get(EIO="3", transport="polling")
        handshake = (await application.connected.get())[1]
        assert (handshake.address, handshake.peer) == ("unix", "unix")
        await ws.close()
        await application.engine.stop()
    await runner.cleanup()
