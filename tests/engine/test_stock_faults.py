"""What python-engineio 4.15's own socket gets wrong, each by a test that fails on it."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from hornet.engine import EngineSettings
from tests.engine.application import WAIT_S, Application, Text, running, until

PLAIN = {"Content-Type": "text/plain"}


async def test_a_post_of_many_packets_loses_none(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    body = "\x1e".join(f'42["n",{number}]' for number in range(100))
    assert await application.post(eio_sid, body) == 200
    assert [args[0] for _, args in application.events] == list(range(100))


async def test_a_binary_event_reaches_pollers_and_websockets_alike(application: Application) -> None:
    ws, _ = await application.open_websocket()
    eio_sid, _ = await application.open_polling()
    await application.engine.sio.emit("bytes", b"\x00\xff", room="all")
    assert await ws.receive_str() == '451-["bytes",{"_placeholder":true,"num":0}]'
    assert await ws.receive_bytes() == b"\x00\xff"
    assert await application.poll(eio_sid) == '451-["bytes",{"_placeholder":true,"num":0}]\x1ebAP8='


async def test_a_second_poll_is_refused_and_ends_the_session(application: Application) -> None:
    eio_sid, _ = await application.open_polling()
    first = asyncio.create_task(application.poll(eio_sid))
    await until(lambda: application.engine.sio.eio.sockets[eio_sid].poll)
    second = await application.get(EIO="4", transport="polling", sid=eio_sid)
    assert (second.status, await first) == (400, "1")
    assert (await application.last_gone())[1] == "transport error"


@pytest.mark.parametrize("body", ["4x", "abc", "2", "", "42{}", "b***"])
async def test_a_malformed_packet_ends_the_session(application: Application, body: str) -> None:
    eio_sid, sid = await application.open_polling()
    assert await application.post(eio_sid, body) == 400
    assert await application.last_gone() == (sid, "parse error")
    assert (await application.get(EIO="4", transport="polling", sid=eio_sid)).status == 400


async def test_a_post_in_chunks_is_read(application: Application) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'42["ch'
        yield b'unked"]'

    eio_sid, _ = await application.open_polling()
    query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
    async with application.http.post(application.url, params=query, data=chunks(), headers=PLAIN) as response:
        assert response.status == 200
    assert application.events == [("chunked", [])]


async def test_a_body_too_big_is_refused_also_in_chunks() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"4" * 100

    async with running(EngineSettings(max_payload_bytes=1000)) as application:
        eio_sid, _ = await application.open_polling()
        query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
        async with application.http.post(
            application.url, params=query, data=chunks(), headers=PLAIN
        ) as response:
            assert response.status == 413


async def test_a_client_that_never_connects_to_a_namespace_is_closed() -> None:
    async with running(EngineSettings(connect_timeout_s=0.1)) as application:
        ws = await application.websocket(application.url + "?EIO=4&transport=websocket")
        await ws.receive_str()
        assert (await ws.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"EIO": "4", "transport": "carrier"}, 0),
        ({"EIO": "4"}, 0),
        ({"EIO": "4", "transport": "polling", "sid": "nobody"}, 1),
        ({"EIO": "4", "transport": "websocket"}, 3),
        ({"EIO": "2", "transport": "polling"}, 5),
        ({"transport": "polling"}, 5),
    ],
)
async def test_an_error_has_a_code_and_a_message(
    application: Application, query: dict[str, str], code: int
) -> None:
    response = await application.get(**query)
    answer = json.loads(await response.text())
    assert (response.status, answer["code"]) == (400, code)
    assert answer["message"]
    assert application.engine.counts.refusals[code] == 1


async def test_another_origin_is_forbidden_with_a_code() -> None:
    async with running(EngineSettings(allowed_origins=("https://friend.example",))) as application:
        headers = {"Origin": "https://stranger.example"}
        async with application.http.get(application.url, headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (403, 4)


async def test_a_jsonp_response_is_a_script_with_the_same_text(application: Application) -> None:
    eio_sid, sid = await application.open_polling()
    text = '"\\n\u2028é'
    application.engine.send(sid, "say", text)
    query = {"EIO": "4", "transport": "polling", "sid": eio_sid, "j": "0"}
    script = await (await application.get(**query)).text()
    assert script.isascii()
    payload = json.loads(script.removeprefix("___eio[0](").removesuffix(");"))
    assert json.loads(payload[2:]) == ["say", text]


@pytest.mark.parametrize(
    ("trusted", "address"),
    [((), "127.0.0.1"), (("127.0.0.0/8",), "203.0.113.9"), (("10.0.0.0/8",), "127.0.0.1")],
)
async def test_the_address_is_the_clients_own_through_trusted_proxies(
    trusted: tuple[str, ...], address: str
) -> None:
    async with running(EngineSettings(trusted_proxies=trusted)) as application:
        url = application.url + "?EIO=3&transport=polling"
        async with application.http.get(url, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}):
            _, handshake = await application.connected.get()
    assert handshake.address == address


async def test_engine_io_3_is_served(application: Application) -> None:
    response = await application.get(EIO="3", transport="polling")
    text = await response.text()
    assert text.endswith("2:40")
    assert (await application.connected.get())[1].protocol == 3


@pytest.mark.parametrize("compression", [False, True])
async def test_compression_is_there_only_when_it_is_asked_for(compression: bool) -> None:
    async with running(EngineSettings(compression=compression)) as application:
        ws = await application.websocket(application.url + "?EIO=4&transport=websocket", compress=15)
        assert bool(ws.compress) is compression
        await ws.receive_str()
        await ws.send_str("40")
        await ws.receive_str()
        application.engine.fan_out("all", Text("long " * 1000))
        assert await ws.receive_str() == '42["message","' + "long " * 1000 + '"]'
        await ws.close()


async def test_a_poll_that_the_client_cuts_swallows_nothing(application: Application) -> None:
    eio_sid, sid = await application.open_polling()
    poll = asyncio.create_task(application.poll(eio_sid))
    await until(lambda: application.engine.sio.eio.sockets[eio_sid].poll)
    poll.cancel()
    assert await application.last_gone() == (sid, "transport close")


async def test_a_hook_that_raises_harms_nobody(application: Application) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('42["fail"]')
    await ws.send_str('421["after"]')
    assert await ws.receive_str() == "431[]"
    assert application.engine.counts.hook_errors == 1


async def test_a_ping_interval_below_a_second_is_told_as_it_is() -> None:
    async with running(EngineSettings(ping_interval_s=0.25, ping_timeout_s=0.1)) as application:
        text = await (await application.get(EIO="4", transport="polling")).text()
    assert json.loads(text[1:])["pingInterval"] == 250
