"""The engine's limits for one client, and the refusal beyond each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import aiohttp
import pytest

from hornet.core.codes import ORIGIN_NOT_ALLOWED, TOO_MANY_CONNECTIONS, TOO_MANY_SESSIONS
from hornet.engine import EngineSettings
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S, until

PROXY = ("127.0.0.1",)
"""The test's own address as a trusted proxy: each request then has the address that it says."""


async def open_from(application: Application, address: str) -> tuple[int, str]:
    """Status and reason of a first poll from ``address``."""
    async with application.http.get(
        application.url,
        params={"EIO": "4", "transport": "polling"},
        headers={"X-Forwarded-For": address},
    ) as response:
        text = await response.text()
        return response.status, "" if response.ok else json.loads(text).get("reason", "")


# Addresses


async def test_an_address_has_its_share_of_sessions_and_others_have_theirs() -> None:
    async with running(EngineSettings(max_sessions_per_address=2, trusted_proxies=PROXY)) as application:
        assert [await open_from(application, "192.0.2.1") for _ in range(3)] == [
            (200, ""),
            (200, ""),
            (429, TOO_MANY_SESSIONS),
        ]
        assert await open_from(application, "192.0.2.2") == (200, "")
        assert application.engine.counts.refused == {TOO_MANY_SESSIONS: 1}


async def test_a_session_that_ends_makes_room_for_the_next() -> None:
    settings = EngineSettings(max_sessions_per_address=1, trusted_proxies=PROXY)
    async with running(settings, through_handshake=True) as application:
        headers = {"X-Forwarded-For": "192.0.2.1"}
        url = application.url + "?EIO=4&transport=websocket"
        ws = await application.websocket(url, headers=headers)
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await application.websocket(url, headers=headers)
        assert raised.value.status == 429
        await ws.close()
        await until(lambda: not application.sio.eio.table.sessions)
        await application.websocket(url, headers=headers)


async def test_sessions_of_one_address_that_come_too_fast_are_refused() -> None:
    settings = EngineSettings(max_connect_rate=0.5, trusted_proxies=PROXY)
    async with running(settings) as application:
        assert await open_from(application, "192.0.2.1") == (200, "")
        assert await open_from(application, "192.0.2.1") == (429, TOO_MANY_CONNECTIONS)
        assert await open_from(application, "192.0.2.2") == (200, "")


async def test_a_proxy_on_this_machine_that_is_not_named_is_no_single_client() -> None:
    async with running(EngineSettings(max_sessions_per_address=1)) as application:
        for _ in range(3):
            assert (await open_from(application, "192.0.2.1"))[0] == 200


# Origins


async def ask_from(application: Application, origin: str) -> aiohttp.ClientResponse:
    async with application.http.get(
        application.url, params={"EIO": "4", "transport": "polling"}, headers={"Origin": origin}
    ) as response:
        await response.read()
        return response


@pytest.mark.parametrize("through_handshake", [True, False], ids=["handshake", "aiohttp"])
async def test_a_page_of_another_host_is_refused_by_default(
    through_handshake: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(through_handshake=through_handshake) as application:
        answer = await ask_from(application, "https://evil.example")
        assert answer.status == 403
        told = await answer.json()
        assert (told["code"], told["reason"]) == (4, ORIGIN_NOT_ALLOWED)
        assert "allowed_origins" in told["message"]
        assert "Access-Control-Allow-Origin" not in answer.headers
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await application.websocket(
                application.url + "?EIO=4&transport=websocket", origin="https://evil.example"
            )
        assert raised.value.status == 403
        assert application.engine.counts.refused == {ORIGIN_NOT_ALLOWED: 2}
    [line] = [record.getMessage() for record in caplog.records if ORIGIN_NOT_ALLOWED in record.getMessage()]
    assert "https://evil.example" in line
    assert "allowed_origins" in line


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://127.0.0.1"])
async def test_a_page_of_the_same_host_may_connect_by_default(origin: str) -> None:
    async with running(through_handshake=True) as application:
        answer = await ask_from(application, origin)
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        ws = await application.websocket(application.url + "?EIO=4&transport=websocket", origin=origin)
        assert (await ws.receive_str()).startswith("0{")


async def test_every_page_may_connect_where_the_operator_says_so() -> None:
    async with running(EngineSettings(allowed_origins=("*",)), through_handshake=True) as application:
        assert (await ask_from(application, "null")).status == 200


# Packets


async def fault_of(application: Application, *messages: str | bytes) -> dict[str, int]:
    """What is counted as malformed after a client sent these; its connection is then closed."""
    ws, _ = await application.open_websocket()
    for message in messages:
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
    async with asyncio.timeout(WAIT_S):
        while (await ws.receive()).type is not aiohttp.WSMsgType.CLOSE:
            pass
    return dict(application.engine.counts.malformed)


def binary_event(attachments: int) -> str:
    holes = [{"_placeholder": True, "num": number} for number in range(attachments)]
    return f"45{attachments}-" + json.dumps(["echo", *holes])


async def test_an_event_has_a_limit_of_attachments() -> None:
    async with running(EngineSettings(max_attachments=2)) as application:
        ws, _ = await application.open_websocket()
        for message in (binary_event(2), b"a", b"b"):
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        await until(lambda: application.events)
        assert application.events == [("echo", [b"a", b"b"])]
        assert await fault_of(application, binary_event(3)) == {"too_many_attachments": 1}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("[" * 100 + "]" * 100, "too_deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "too_deep"),
        ("[" * 100_000 + "]" * 100_000, "too_many_containers"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "too_many_containers"),
    ],
    ids=["lists", "objects", "100,000 lists", "100,000 objects"],
)
async def test_what_is_nested_too_deeply_is_refused(data: str, fault: str) -> None:
    async with running() as application:
        assert await fault_of(application, f'42["echo",{data}]') == {fault: 1}
        assert application.events == []


async def test_the_depth_is_an_option() -> None:
    async with running(EngineSettings(max_json_depth=3)) as application:
        ws, _ = await application.open_websocket()
        await ws.send_str('42["echo",[[1]]]')
        await until(lambda: application.events)
        assert await fault_of(application, '42["echo",[[[1]]]]') == {"too_deep": 1}


async def test_brackets_in_a_text_are_no_depth() -> None:
    async with running() as application:
        ws, _ = await application.open_websocket()
        await ws.send_str("42" + json.dumps(["echo", "[{" * 1000]))
        await until(lambda: application.events)
        assert application.events == [("echo", ["[{" * 1000])]


async def test_packets_beyond_the_rate_end_the_session_whatever_they_are() -> None:
    async with running(EngineSettings(max_packet_rate=5.0)) as application:
        ws, _ = await application.open_websocket()
        for _ in range(8):  # and the one that connected it
            await ws.send_str("6")
        await ws.send_str('42["echo"]')
        await until(lambda: application.events)
        assert await fault_of(application, *["6"] * 20) == {"too_many_packets": 1}


# Slow clients


async def connect(application: Application, *pieces: bytes, end: bytes = b"") -> bytes:
    """All that a raw connection is answered, until ``end`` comes or it is closed."""
    host, port = application.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(WAIT_S):
            return await (reader.readuntil(end) if end else reader.read())
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        ((), b""),
        ((b"GET /socket.io/?EIO=4 HT",), b"HTTP/1.1 408 "),
        ((b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"X-Slow: "), b"HTTP/1.1 408 "),
    ],
    ids=["nothing", "half a line", "a header at a time"],
)
async def test_a_connection_that_sends_no_whole_request_is_cut(
    pieces: Sequence[bytes], answer: bytes
) -> None:
    async with running(EngineSettings(handshake_timeout_s=0.1), through_handshake=True) as application:
        assert (await connect(application, *pieces)).startswith(answer)
        assert application.engine.counts.refused == {"HANDSHAKE_TIMEOUT": 1}
        assert not application.sio.eio.table.pending


async def test_a_head_without_end_is_refused() -> None:
    async with running(through_handshake=True) as application:
        head = b"GET / HTTP/1.1\r\n" + b"X-Long: aaaaaaaaaaaaaaaa\r\n" * 2000
        assert (await connect(application, head)).startswith(b"HTTP/1.1 431 ")
        assert application.engine.counts.refused == {"HEAD_TOO_BIG": 1}


async def test_what_is_no_http_is_answered_at_once() -> None:
    async with running(through_handshake=True) as application:
        assert (await connect(application, b"\x16\x03\x01\x02\x00")).startswith(b"HTTP/1.0 400 ")


async def test_an_upgrade_that_stops_half_way_is_given_up() -> None:
    async with running(EngineSettings(upgrade_timeout_s=0.1), through_handshake=True) as application:
        opened = (await (await application.get(EIO="4", transport="polling")).text())[1:]
        sid = json.loads(opened)["sid"]
        ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={sid}")
        async with asyncio.timeout(WAIT_S):
            assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert sid in application.sio.eio.table.sessions, "it goes on polling"


async def test_a_body_that_does_not_end_is_given_up() -> None:
    settings = EngineSettings(ping_interval_s=0.2, ping_timeout_s=0.1)
    async with running(settings, through_handshake=True) as application:
        opened = (await (await application.get(EIO="3", transport="polling")).text()).partition("{")[2]
        sid = json.loads("{" + opened[: opened.index("}") + 1])["sid"]
        request = f"POST /socket.io/?EIO=3&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\n"
        head = f"{request}Content-Length: 100\r\n\r\n".encode()
        answer = await connect(application, head + b"4:40", end=b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 408 ")
