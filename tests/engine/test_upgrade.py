"""Messages go on while sessions move from polling to WebSocket: each arrives once, and in order."""

import asyncio
import socket

import aiohttp
import pytest
from yarl import URL

from hornet.engine import EngineSettings
from hornet.engine.transport.polling import PollingTransport
from hornet.engine.transport.states import State
from tests.e2e.waiting import DEADLINE_S
from tests.engine.application import Application, Text, running
from tests.engine.caller import WAIT_S, until

SESSIONS, MESSAGES = 50, 1000


def numbers(packets: list[str]) -> list[int]:
    return [int(packet[14:-2]) for packet in packets if packet.startswith('42["message","')]


async def test_nothing_is_lost_or_doubled_by_an_upgrade_under_load(application: Application) -> None:
    """50 sessions upgrade one after the other while 1,000 messages are sent to all of them."""
    opened = [await application.open_polling() for _ in range(SESSIONS)]

    async def publish() -> None:
        for number in range(MESSAGES):
            application.engine.fan_out("all", Text(str(number)))
            if number % 4 == 3:
                await asyncio.sleep(0)

    async def receive(eio_sid: str, before: int) -> list[int]:
        """Poll like a browser does until some messages came, upgrade, and read on."""
        packets: list[str] = []
        while len(numbers(packets)) < before:
            packets += (await application.poll(eio_sid)).split("\x1e")
        ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
        poll = asyncio.create_task(application.poll(eio_sid))
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        packets += (await poll).split("\x1e")
        await ws.send_str("5")
        while len(numbers(packets)) < MESSAGES:
            packets.append(await ws.receive_str())
        await ws.close()
        return numbers(packets)

    step = MESSAGES // SESSIONS
    async with asyncio.timeout(DEADLINE_S):
        received, *_ = await asyncio.gather(
            asyncio.gather(*(receive(eio_sid, number * step) for number, (eio_sid, _) in enumerate(opened))),
            publish(),
        )
    assert received == [list(range(MESSAGES))] * SESSIONS
    assert application.engine.counts.upgrades == SESSIONS


async def test_an_upgrade_that_is_given_up_leaves_the_session_polling(application: Application) -> None:
    eio_sid, sid = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    await ws.receive_str()
    await ws.close()
    application.engine.send(sid, "still", "here")
    async with asyncio.timeout(WAIT_S):
        while "still" not in await application.poll(eio_sid):
            pass


@pytest.mark.parametrize("eio", [4, 3])
@pytest.mark.parametrize("polls", [False, True])
async def test_an_upgrade_without_a_probe_moves_the_session_and_its_queue(
    application: Application, eio: int, polls: bool
) -> None:
    """ElephantIO for PHP and SocketIOClient for .NET send "5" alone."""
    eio_sid, sid = await application.open_polling(eio)
    ws = await application.websocket(f"{application.url}?EIO={eio}&transport=websocket&sid={eio_sid}")
    if polls:
        poll = asyncio.create_task(application.get(EIO=str(eio), transport="polling", sid=eio_sid))
        await until(lambda: application.polls(eio_sid))
    else:
        application.engine.send(sid, "queued")
        await until(lambda: application.engine.sio.eio.table.sessions[eio_sid].unsent_bytes)
    await ws.send_str("5")
    if polls:
        assert await (await poll).text() == ("6" if eio == 4 else "1:6")
    else:
        assert await ws.receive_str() == '42["queued"]'
    await ws.send_str('421["ack"]')
    assert await ws.receive_str() == "431[]"
    assert application.engine.counts.upgrades == 1


@pytest.mark.parametrize("eio", [4, 3])
async def test_an_upgrade_packet_where_nothing_is_left_to_upgrade_is_ignored(
    application: Application, eio: int
) -> None:
    ws = await application.websocket(f"{application.url}?EIO={eio}&transport=websocket")
    eio_sid, _ = await application.open_polling(eio)
    upgraded = await application.websocket(f"{application.url}?EIO={eio}&transport=websocket&sid={eio_sid}")
    await upgraded.send_str("5")
    assert (await ws.receive_str()).startswith("0{")
    if eio == 4:
        await ws.send_str("40")
    assert (await ws.receive_str()).startswith("40")
    for websocket in (ws, upgraded):
        await websocket.send_str("5")
        await websocket.send_str('421["ack"]')
        assert await websocket.receive_str() == "431[]"


async def test_each_probe_of_a_websocket_is_answered(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    for _ in range(2):
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
    await ws.send_str("5")
    await ws.send_str('421["ack"]')
    assert await ws.receive_str() == "431[]"


async def test_an_upgrade_packet_by_post_is_ignored(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    assert await application.post(eio_sid, '5\x1e421["ack"]') == 200
    assert await application.poll(eio_sid) == "431[]"


async def test_an_upgrade_without_a_probe_takes_no_session_from_another_websocket(
    application: Application,
) -> None:
    eio_sid, _ = await application.open_polling()
    url = f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}"
    probed, other = await application.websocket(url), await application.websocket(url)
    await probed.send_str("2probe")
    assert await probed.receive_str() == "3probe"
    await other.send_str("5")
    assert (await other.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    await probed.send_str("5")
    await probed.send_str('421["ack"]')
    assert await probed.receive_str() == "431[]"


async def test_a_session_closed_before_an_upgrade_without_a_probe_gets_its_last_packets(
    application: Application,
) -> None:
    eio_sid, sid = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    application.engine.send(sid, "why")
    application.engine.disconnect(sid)
    assert await application.last_gone() == (sid, "server namespace disconnect")
    await ws.send_str("5")
    assert [await ws.receive_str() for _ in range(2)] == ['42["why"]', "41"]
    assert (await ws.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    assert eio_sid not in application.engine.sio.eio.table.sessions


async def test_a_second_websocket_for_an_upgraded_session_is_closed(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    url = f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}"
    ws = await application.websocket(url)
    await ws.send_str("2probe")
    await ws.receive_str()
    await ws.send_str("5")
    await ws.send_str('421["ack"]')
    assert await ws.receive_str() == "431[]"
    second = await application.websocket(url)
    assert (await second.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    await ws.send_str('422["ack"]')
    assert await ws.receive_str() == "432[]"


async def test_a_client_that_is_sent_away_while_it_upgrades_hears_of_it_on_either_transport(
    application: Application,
) -> None:
    """A client whose probe was answered lets go of polling: closing the WebSocket would lose the rest."""
    for goes_on in (True, False):
        eio_sid, sid = await application.open_polling()
        ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        application.engine.send(sid, "why")
        application.engine.disconnect(sid)
        assert await application.last_gone() == (sid, "server namespace disconnect")
        if goes_on:
            await ws.send_str("5")
            assert [await ws.receive_str() for _ in range(2)] == ['42["why"]', "41"]
        else:
            assert await application.poll(eio_sid) == '42["why"]\x1e41'
            assert await application.poll(eio_sid) == "1"
        assert (await ws.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE
        assert eio_sid not in application.engine.sio.eio.table.sessions


async def test_a_session_closed_during_an_upgrade_can_still_be_polled_when_the_probe_fails(
    application: Application,
) -> None:
    eio_sid, sid = await application.open_polling()
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"
    application.engine.send(sid, "why")
    application.engine.disconnect(sid)
    assert await application.last_gone() == (sid, "server namespace disconnect")
    session = application.engine.sio.eio.table.sessions[eio_sid]
    await until(lambda: session.state is State.CLOSING_PROBED)
    await ws.close()
    await until(lambda: session.state is State.CLOSING)
    assert await application.poll(eio_sid) == '42["why"]\x1e41'
    assert await application.poll(eio_sid) == "1"
    assert eio_sid not in application.engine.sio.eio.table.sessions


async def test_a_session_that_reads_too_slowly_during_an_upgrade_loses_both_connections() -> None:
    async with running(EngineSettings(send_buffer_bytes=2000)) as application:
        eio_sid, sid = await application.open_polling()
        ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        for _ in range(2):  # one message alone is never too long
            application.engine.send(sid, "more", "x" * 3000)
        assert await application.last_gone() == (sid, "slow reader")
        assert (await ws.receive(timeout=WAIT_S)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert application.engine.counts.slow_readers == 1
        assert eio_sid not in application.engine.sio.eio.table.sessions


PROBE_AND_UPGRADE = b"\x81\x86\0\0\0\0002probe" + b"\x81\x81\0\0\0\0005"
"""Two frames, each under a mask of zeros."""


async def test_a_poll_that_is_cut_as_its_session_upgrades_does_not_end_the_session(
    application: Application,
) -> None:
    """The server finds the upgrade and the cut in the same turn of its loop, before it answers the poll."""
    eio_sid, sid = await application.open_polling()
    session = application.engine.sio.eio.table.sessions[eio_sid]
    url, loop = URL(application.url), asyncio.get_running_loop()
    request = f"GET {url.path}?EIO=4&sid={eio_sid}&transport=%s HTTP/1.1\r\nHost: here\r\n"
    websocket_headers = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    with socket.socket() as websocket, socket.socket() as poll:
        for connection in (websocket, poll):
            connection.setblocking(False)
            await loop.sock_connect(connection, (url.host, url.port))
        await loop.sock_sendall(websocket, f"{request % 'websocket'}{websocket_headers}\r\n".encode())
        assert (await loop.sock_recv(websocket, 4096)).startswith(b"HTTP/1.1 101")
        await loop.sock_sendall(poll, f"{request % 'polling'}\r\n".encode())
        await until(lambda: application.polls(eio_sid))
        polling = session.transport
        assert isinstance(polling, PollingTransport)

        websocket.send(PROBE_AND_UPGRADE)
        poll.close()
        await until(lambda: not polling.has_poll)

        application.engine.send(sid, "still", "here")
        received = b""
        async with asyncio.timeout(WAIT_S):
            while b'42["still","here"]' not in received:
                received += (data := await loop.sock_recv(websocket, 4096))
                assert data, received
    assert await application.last_gone() == (sid, "transport close")
