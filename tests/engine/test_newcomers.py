"""Sessions and connections without a valid credential: what they may send, and may leave unfinished."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from hornet.core.codes import TOO_MUCH_HELD
from hornet.core.limits import BURST_S
from hornet.engine import EngineSettings
from hornet.engine.errors import Malformed
from hornet.engine.transport.newcomers import PART_OF_ADDRESS, Newcomers
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S, until
from tests.resilience.raw import UPGRADE

SETTINGS = EngineSettings(
    max_payload_bytes=20_000,
    max_unauthenticated_payload_bytes=1000,
    max_unauthenticated_packet_rate=10.0,
    max_unauthenticated_byte_rate=10_000.0,
    max_unauthenticated_held_bytes=4000,
)


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    """An engine whose hooks accept nobody's credential."""
    async with running(SETTINGS, through_handshake=True, admits=False) as application:
        yield application


def frame(payload: bytes, first: int = 0x81, *, claimed: int = 0) -> bytes:
    """A frame of a client, with a mask of zeros, that claims to be longer than it is."""
    return bytes((first, 0xFE)) + (claimed or len(payload)).to_bytes(2, "big") + bytes(4) + payload


async def closed(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(WAIT_S):
        async for _ in ws:
            pass
    return ws.close_code


@asynccontextmanager
async def sending(application: Application, data: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Open a WebSocket, connect to the namespace, and send further bytes."""
    host, port = application.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, port)
    head = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n"
    writer.write(head + frame(b"40"))
    await reader.readuntil(b"40{")
    writer.write(data)
    try:
        yield reader
    finally:
        writer.close()


# Messages


async def test_a_message_longer_than_a_newcomers_ends_the_session(application: Application) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('42["echo","' + "x" * 1000 + '"]')
    assert await closed(ws) == 1009
    assert application.engine.counts.malformed == {"too_big": 1}


async def test_a_session_that_is_admitted_may_send_longer_messages(application: Application) -> None:
    ws, sid = await application.open_websocket()
    application.engine.admit(sid)
    application.engine.admit(sid)  # again, with another token
    await ws.send_str('42["echo","' + "x" * 10_000 + '"]')
    await until(lambda: application.events)
    assert application.sio.eio.table.newcomers.held == 0


async def test_a_session_that_is_admitted_keeps_its_limits_over_an_upgrade(application: Application) -> None:
    eio_sid, sid = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"
    application.engine.admit(sid)
    await ws.send_str("5")
    await ws.send_str('42["echo","' + "x" * 10_000 + '"]')
    await until(lambda: application.events)


async def test_a_post_longer_than_a_newcomers_is_refused(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    assert await application.post(eio_sid, '42["echo","' + "x" * 1000 + '"]') == 413
    eio_sid, sid = await application.open_polling()
    application.engine.admit(sid)
    assert await application.post(eio_sid, '42["echo","' + "x" * 1000 + '"]') == 200


async def test_the_attachments_of_a_newcomer_are_together_no_longer_than_a_message(
    application: Application,
) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await ws.send_bytes(b"x" * 600)
    await ws.send_bytes(b"x" * 600)
    assert await closed(ws) == 1009


async def test_a_plugin_that_lets_a_client_into_its_namespace_admits_the_session(
    application: Application,
) -> None:
    came = asyncio.Queue[str]()

    async def take(_: str, text: str) -> None:
        came.put_nowait(text)

    application.sio.on("text", take, namespace="/plugin")
    ws = await application.websocket(application.url + "?EIO=4&transport=websocket")
    await ws.receive_str()
    await ws.send_str("40/plugin,")
    await ws.receive_str()
    await ws.send_str('42/plugin,["text","' + "x" * 10_000 + '"]')
    assert len(await application.in_time(came.get())) == 10_000


# Rates


async def test_newcomers_that_send_too_many_packets_are_cut(application: Application) -> None:
    ws, _ = await application.open_websocket()
    for _ in range(30):
        await ws.send_str("6")
    await closed(ws)
    assert application.engine.counts.malformed == {"too_many_packets": 1}


async def test_newcomers_that_send_too_many_bytes_are_cut(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    statuses = [await application.post(eio_sid, '42["echo","' + "x" * 900 + '"]') for _ in range(12)]
    ws, _ = await application.open_websocket()
    for _ in range(40):
        await ws.send_str("6" * 900)
    await closed(ws)
    assert statuses == [200] * 12
    assert application.engine.counts.malformed["too_many_bytes"] == 1


async def test_the_newcomers_of_an_address_share_a_rate_and_others_have_theirs() -> None:
    newcomers = Newcomers(SETTINGS)
    first, second, other = (newcomers.enter(f"192.0.2.{number}") for number in (1, 1, 2))
    burst, now = round(10 * BURST_S), asyncio.get_running_loop().time()
    assert first.take_packets(burst, now)
    assert not second.take_packets(1, now)
    assert other.take_packets(burst, now)
    for _ in range(2):
        second.take_bytes(10_000, now)
    with pytest.raises(Malformed, match="too_many_bytes"):
        first.take_bytes(1, now)
    other.take_bytes(10_000, now)


async def test_a_client_of_this_machine_has_a_rate_of_its_own() -> None:
    newcomers = Newcomers(SETTINGS)
    now = asyncio.get_running_loop().time()
    assert all(newcomers.enter("127.0.0.1").take_packets(20, now) for _ in range(10))
    assert len(newcomers) == 0


async def test_an_address_is_forgotten_once_it_has_been_quiet() -> None:
    newcomers = Newcomers(SETTINGS)
    for number in range(100):
        newcomers.enter(f"192.0.2.{number}").leave()
    assert len(newcomers) == 1


# What is left unfinished


async def test_newcomers_hold_only_so_much_together_and_an_address_a_part_of_it() -> None:
    newcomers = Newcomers(SETTINGS)
    most = SETTINGS.max_unauthenticated_held_bytes
    sessions = [newcomers.enter(f"192.0.2.{number}") for number in range(PART_OF_ADDRESS)]
    for session in sessions:
        session.hold(most // PART_OF_ADDRESS)
        with pytest.raises(Malformed, match=TOO_MUCH_HELD):
            session.hold(1)
    late = newcomers.enter("192.0.2.99")
    with pytest.raises(Malformed, match=TOO_MUCH_HELD):
        late.hold(1)
    for _ in range(2):
        sessions[0].leave()
    sessions[0].hold(-10)
    late.hold(most // PART_OF_ADDRESS)
    for session in (*sessions, late):
        session.leave()
    assert newcomers.held == 0


UNFINISHED = {
    "a frame": frame(b"x" * 900, claimed=1000),
    "fragments": frame(b"x" * 450, 0x01) + frame(b"x" * 450, 0x00),
    "an event without its attachments": frame(
        b'452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    )
    + frame(b"x" * 850, 0x82),
}


@pytest.mark.parametrize("kind", UNFINISHED)
async def test_what_newcomers_leave_unfinished_is_bounded_over_all_of_them(
    application: Application, kind: str
) -> None:
    newcomers = application.sio.eio.table.newcomers
    async with AsyncExitStack() as stack:
        readers = []
        for number in range(4):
            readers.append(await stack.enter_async_context(sending(application, UNFINISHED[kind])))
            await until(lambda: newcomers.held > 800 * (number + 1))  # noqa: B023
        last = await stack.enter_async_context(sending(application, UNFINISHED[kind]))
        async with asyncio.timeout(WAIT_S):
            await last.readuntil(b"\x88\x02\x03\xf5")  # 1013, "try again later"
        assert application.engine.counts.malformed == {TOO_MUCH_HELD: 1}
    await until(lambda: not application.sio.eio.table.sessions)
    assert newcomers.held == 0


async def test_half_a_body_is_counted_until_it_is_whole(application: Application) -> None:
    newcomers = application.sio.eio.table.newcomers
    eio_sid, _ = await application.open_polling()
    release = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'42["echo","' + b"x" * 500
        await release.wait()
        yield b'"]'

    posting = asyncio.create_task(
        application.http.post(
            application.url,
            params={"EIO": "4", "transport": "polling", "sid": eio_sid},
            data=body(),
            headers={"Content-Type": "text/plain"},
        )
    )
    await until(lambda: newcomers.held > 500)
    release.set()
    async with await posting as response:
        assert response.status == 200
    await until(lambda: newcomers.held == 0)


async def test_half_a_request_is_counted_and_refused_where_too_many_are_there(
    application: Application,
) -> None:
    newcomers = application.sio.eio.table.newcomers
    host, port = application.url.split("/")[2].split(":")
    async with AsyncExitStack() as stack:
        for number in range(5):
            reader, writer = await asyncio.open_connection(host, port)
            stack.callback(writer.close)
            writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 900)
            if number < 4:
                await until(lambda: newcomers.held > 900 * (number + 1))  # noqa: B023
        async with asyncio.timeout(WAIT_S):
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    assert application.engine.counts.refused == {"TOO_MUCH_UNFINISHED": 1}
    await until(lambda: newcomers.held == 0)


async def test_what_waits_for_a_slow_check_is_counted_until_it_is_handled(application: Application) -> None:
    newcomers = application.sio.eio.table.newcomers
    ws, _ = await application.open_websocket()
    [session] = application.sio.eio.table.sessions.values()
    released = asyncio.Semaphore(0)
    session.do(released.acquire)
    await ws.send_str('42["echo","' + "x" * 500 + '"]')
    await until(lambda: newcomers.held > 500)
    released.release()
    await until(lambda: newcomers.held == 0)
