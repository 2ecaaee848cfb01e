"""The endpoint's answers, counts and limits, beside the faults of a stock server."""

import asyncio
import json

import pytest
from multidict import CIMultiDict

from hornet.engine import EngineSettings
from tests.engine.application import Application, Text, running
from tests.engine.caller import WAIT_S, until


async def test_refusals_are_counted_by_their_code(application: Application) -> None:
    await application.get(EIO="4", transport="carrier")
    for _ in range(2):
        await application.get(EIO="2", transport="polling")
    assert dict(application.engine.counts.refusals) == {0: 1, 5: 2}


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ((), "203.0.113.9", "127.0.0.1"),
        (("10.0.0.0/8",), "203.0.113.9", "127.0.0.1"),
        (("127.0.0.1",), "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (("127.0.0.1", "10.0.0.0/8"), "203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (("127.0.0.1",), "203.0.113.9, nonsense", "127.0.0.1"),
    ],
)
async def test_x_forwarded_for_is_believed_of_trusted_proxies_only(
    trusted: tuple[str, ...], forwarded: str, address: str
) -> None:
    async with running(EngineSettings(trusted_proxies=trusted)) as application:
        url = application.url + "?EIO=3&transport=polling"
        async with application.http.get(url, headers={"X-Forwarded-For": forwarded}):
            _, handshake = await application.connected.get()
    assert (handshake.address, handshake.peer) == (address, "127.0.0.1")


UPGRADE = [
    ("Connection", "keep-alive"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Extensions", "x-webkit-deflate-frame"),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
]


async def handshake(url: str, lines: list[tuple[str, str]]) -> str:
    """Send a request with these header lines, and return the head of the answer."""
    _, _, host, path = url.split("/", 3)
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n{head}\r\n".encode())
    async with asyncio.timeout(WAIT_S):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer.decode()


@pytest.mark.parametrize("through_handshake", [False, True], ids=["aiohttp", "through_handshake"])
@pytest.mark.parametrize("is_upgrade", [False, True], ids=["first", "upgrade"])
async def test_the_lines_of_a_websocket_request_are_read_as_lists(
    through_handshake: bool, is_upgrade: bool
) -> None:
    settings = EngineSettings(compression=True)
    async with running(settings, through_handshake=through_handshake) as application:
        query = "?EIO=4&transport=websocket"
        if is_upgrade:
            eio_sid, _ = await application.open_polling()
            query += f"&sid={eio_sid}"
        answer = await handshake(application.url + query, UPGRADE)
        assert answer.startswith("HTTP/1.1 101 "), answer
        assert "Sec-WebSocket-Extensions: permessage-deflate" in answer
        for name, value in UPGRADE[3:5]:  # RFC 6455, section 11.3: these two come once
            answer = await handshake(application.url + query, [*UPGRADE, (name, value)])
            assert answer.startswith("HTTP/1.1 400 "), (name, answer)


async def test_a_response_with_two_origins_is_for_neither_page(application: Application) -> None:
    url = application.url + "?EIO=4&transport=polling"
    for lines in (["http://localhost", "https://evil.example"], ["http://localhost", "http://localhost"]):
        headers = CIMultiDict(("Origin", origin) for origin in lines)
        async with application.http.get(url, headers=headers) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers


async def test_an_empty_session_id_opens_a_session_as_none_does(application: Application) -> None:
    assert (await application.get(EIO="4", transport="polling", sid="")).status == 200
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid=")
    assert (await ws.receive_str()).startswith("0{")


async def test_a_session_of_version_3_is_told_by_its_handshake(application: Application) -> None:
    await application.get(EIO="3", transport="polling")
    assert (await application.connected.get())[1].protocol == 3


@pytest.mark.parametrize("compression", [False, True])
async def test_a_long_message_arrives_compressed_or_not(compression: bool) -> None:
    async with running(EngineSettings(compression=compression)) as application:
        ws = await application.websocket(application.url + "?EIO=4&transport=websocket", compress=15)
        assert bool(ws.compress) is compression
        await ws.receive_str()
        await ws.send_str("40")
        await ws.receive_str()
        application.engine.fan_out("all", Text("long " * 1000))
        assert await ws.receive_str() == '42["message","' + "long " * 1000 + '"]'


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (("gzip, deflate",), "gzip"),
        (("gzip;q=0",), None),
        (("gzip;q=0, deflate;q=0.5",), "deflate"),
        (("br", "gzip"), "gzip"),
        (("gzip", "gzip;q=0"), None),
        ((), None),
    ],
)
async def test_a_poll_is_answered_in_a_coding_that_the_client_takes(
    accepted: tuple[str, ...], coding: str | None
) -> None:
    async with running(EngineSettings(compression=True)) as application:
        eio_sid, _ = await application.open_polling()
        application.engine.fan_out("all", Text("long " * 1000))
        headers = CIMultiDict(("Accept-Encoding", line) for line in accepted)
        async with application.http.get(
            f"{application.url}?EIO=4&transport=polling&sid={eio_sid}",
            headers=headers,
            skip_auto_headers=("Accept-Encoding",),
        ) as response:
            assert response.headers.get("Content-Encoding") == coding
            assert "long long" in await response.text()


async def test_a_ping_interval_below_a_second_is_told_as_it_is() -> None:
    async with running(EngineSettings(ping_interval_s=0.25, ping_timeout_s=0.1)) as application:
        text = await (await application.get(EIO="4", transport="polling")).text()
    assert json.loads(text[1:])["pingInterval"] == 250


async def test_a_hook_that_raises_does_not_affect_other_sessions(application: Application) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('42["fail"]')
    await ws.send_str('421["after"]')
    assert await ws.receive_str() == "431[]"
    assert application.engine.counts.hook_errors == 1


async def test_an_event_that_is_answered_later_holds_up_no_other(application: Application) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('421["later","a"]')
    await ws.send_str('422["later","b"]')
    await ws.send_str('423["meanwhile"]')
    assert await ws.receive_str() == "433[]"
    application.later["b"].set_result({"second": 2})
    assert await ws.receive_str() == '432[{"second":2}]'
    application.later["a"].set_result(("first", 1))
    assert await ws.receive_str() == '431["first",1]'


async def test_an_answer_that_fails_or_comes_too_late_does_not_affect_other_sessions(
    application: Application,
) -> None:
    ws, _ = await application.open_websocket()
    await ws.send_str('42["later","is not asked for"]')
    for number, name in enumerate(["fails", "can't be sent", "is cancelled"]):
        await ws.send_str(f'42{number}["later","{name}"]')
    other, _ = await application.open_websocket()
    await other.send_str('425["later","comes too late"]')
    await other.send_str('426["after"]')
    assert await other.receive_str() == "436[]"
    await ws.send_str('427["after"]')
    assert await ws.receive_str() == "437[]"

    application.later["fails"].set_exception(RuntimeError("a bug in a hook"))
    application.later["can't be sent"].set_result(object())
    application.later["is cancelled"].cancel()
    application.later["is not asked for"].set_result(1)
    await other.close()
    await application.gone.get()
    application.later["comes too late"].set_result(1)
    await ws.send_str('428["after"]')
    assert await ws.receive_str() == "438[]"
    assert application.engine.counts.hook_errors == 2


@pytest.mark.parametrize(
    ("body", "reason"), [("4x", "parse error"), ("2", "parse error"), ("1", "transport close")]
)
async def test_a_session_that_ends_says_why(application: Application, body: str, reason: str) -> None:
    eio_sid, sid = await application.open_polling()
    await application.post(eio_sid, body)
    assert await application.last_gone() == (sid, reason)


async def test_of_two_polls_the_first_one_hears_that_the_session_is_over(application: Application) -> None:
    eio_sid, sid = await application.open_polling()
    query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
    both = await asyncio.gather(application.get(**query), application.get(**query))
    bodies = {answer.status: await answer.text() for answer in both}
    assert bodies[200] == "1"
    assert json.loads(bodies[400])["code"] == 3
    assert await application.last_gone() == (sid, "transport error")


@pytest.mark.parametrize("eio", [4, 3])
async def test_a_session_whose_time_is_over_is_unknown_before_a_timer_notices(
    application: Application, eio: int
) -> None:
    """The suites of engine.io-protocol poll at exactly ping interval and timeout after the handshake."""
    table, loop = application.engine.sio.eio.table, asyncio.get_running_loop()
    eio_sid, sid = await application.open_polling(eio)
    session = table.sessions[eio_sid]
    table.configure(EngineSettings(ping_interval_s=0.01, ping_timeout_s=0.01))
    session.receive("3" if eio == 4 else "2", loop.time())
    for _ in range(2 if eio == 4 else 1):
        table.wheel.stop()
        await until(lambda: session.is_due(loop.time()))
        response = await application.get(EIO=str(eio), transport="polling", sid=eio_sid)
        if response.status == 200:
            assert await response.text() == "2", "the ping that was due"
    assert response.status == 400
    assert (await response.json())["code"] == 1
    assert await application.last_gone() == (sid, "ping timeout")
