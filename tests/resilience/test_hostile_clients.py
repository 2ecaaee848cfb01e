"""Hostile clients: each is refused, and an honest client beside them receives every message."""

import asyncio
import io
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest

from tests.conftest import Valkey
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.resilience.conftest import CHANNEL, END, Watch, Watched, heard_until_end
from tests.resilience.raw import raw

Attack = Callable[[Watched], Coroutine[Any, Any, None]]

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POST = b"POST /socket.io/ HTTP/1.1\r\nHost: a\r\n"
FINE = re.compile(rb"HTTP/1\.1 (4\d\d|200 OK\r\nContent-Type: text/plain)")


async def say(watched: Watched, *pieces: bytes) -> bytes:
    """Return what a raw connection is answered until it is closed, or until nothing more comes."""
    async with raw(watched) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
        with suppress(OSError):
            await writer.drain()
        answer = b""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(0.2 if len(pieces) < 50 else 1):
                while data := await reader.read(65536):
                    answer += data
        return answer


async def garbage(watched: Watched) -> None:
    """Send bytes that are not HTTP, or not quite."""
    for data in (
        b"\x00" * 1000,
        b"\xff\xfe\xfd" * 5000,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500,
    ):
        answer = await say(watched, data)
        assert answer == b"" or re.match(rb"HTTP/1\.[01] 4\d\d ", answer), (data[:80], answer[:200])


async def paths(watched: Watched) -> None:
    """Ask for paths and queries that try to get around a route, or out of it."""
    for path in (
        b"/../../etc/passwd",
        b"/hornet/../../../etc/passwd",
        b"/hornet/%2e%2e/%2e%2e/setup.cfg",
        b"/hornet/hornet.js%00.css",
        b"/hornet/..%5c..%5csetup.cfg",
        b"/demo/%2e%2e/settings.py",
        b"//socket.io//",
        b"/socket.io/?EIO=4&transport=polling&sid=../../x",
        b"/socket.io/?EIO=4&transport=websocket&sid=%00",
        b"/socket.io/?" + b"&".join(b"a=%d" % number for number in range(300)),
        b"/socket.io/?EIO[]=4&transport[__proto__]=polling",
        b"/socket.io/?EIO=4&EIO=3&transport=polling&transport=websocket&j=%27%29;alert(1)//",
        b"/socket.io/?%ff=%fe",
        b"/metrics/../socket.io/?EIO=4&transport=nothing",
    ):
        answer = await say(watched, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 (4\d\d|200 OK\r\nContent-Type: text/plain)", answer), (
            path,
            answer[:200],
        )
        for secret in (b"root:", b"[metadata]", b"dataclass"):
            assert secret not in answer


async def packets(watched: Watched) -> None:
    """Open sessions that send malformed packets, packets that are too large, or half of a packet."""
    holes = json.dumps(["event", *({"_placeholder": True, "num": number} for number in range(11))])
    series: Sequence[Sequence[str | bytes]] = (
        ["40", "42" + "[" * 100_000],
        ["40", '42["a",' + "[" * 100_000 + "]" * 100_000 + "]"],
        ["40", '42["a",' + "9" * 100_000 + "]"],
        ["40", "4511-" + holes],
        ["40", '451-["a",{"_placeholder":true,"num":99}]', b"x"],
        ["40", '451-["a",{"_placeholder":true,"num":0}]', '42["b"]'],
        ["40", '42["connect"]'],
        ["40", "40", "40"],
        ["40", "43999[]"],
        ["40", '42["message","' + "x" * 999_000 + '"]', "4"],
        ["40" + "{" * 50_000],
        ["42[]"],
        ["\x00"],
        ["9"],
        [b"\xc1" * 100],
        ["40/admin,", '42/admin,["x"]', "41/admin,"],
    )
    for messages in series:
        async with watched.http.ws_connect(
            f"{watched.server.url}/socket.io/?EIO=4&transport=websocket"
        ) as ws:
            with suppress(ConnectionError, aiohttp.ClientError):
                for message in messages:
                    await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        async for _ in ws:
                            pass


async def withheld(watched: Watched) -> None:
    """Send a binary event and not all of its attachments: only this session pays for the wait."""
    auth = json.dumps({"token": await watched.token(), "channels": [CHANNEL]})
    async with watched.http.ws_connect(watched.server.url + WEBSOCKET) as ws:
        await ws.send_str(f"40{auth}")
        async with asyncio.timeout(DEADLINE_S):
            while "CONNECTED" not in await ws.receive_str():
                pass
        await ws.send_str('452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        await ws.send_bytes(b"x" * 900_000)
        with suppress(ConnectionError, aiohttp.ClientError):
            await ws.send_bytes(b"x" * 900_000)  # together more than one message may be
        async with asyncio.timeout(DEADLINE_S):
            async for _ in ws:
                pass
        assert ws.close_code == 1009


async def huge(watched: Watched) -> None:
    """Send messages of 10 MB, by WebSocket and by POST."""
    async with watched.http.ws_connect(watched.server.url + WEBSOCKET) as ws:
        with suppress(ConnectionError, aiohttp.ClientError):
            await ws.send_str("42" + "x" * 10_000_000)
        async with asyncio.timeout(DEADLINE_S):
            async for _ in ws:
                pass
    sid = await open_polling(watched)
    with suppress(aiohttp.ClientError):
        async with watched.http.post(
            f"{watched.server.url}/socket.io/?EIO=4&transport=polling&sid={sid}",
            data=io.BytesIO(b"4" * 10_000_000),
        ) as response:
            assert response.status == 413


async def open_polling(watched: Watched) -> str:
    async with watched.http.get(f"{watched.server.url}/socket.io/?EIO=4&transport=polling") as response:
        sid: str = json.loads((await response.text())[1:])["sid"]
        return sid


async def polls(watched: Watched) -> None:
    """Send polls and POSTs of one session at once, and of sessions that don't exist.

    On a crowded machine this process may take longer than the handshake timeout to send a request on a
    connection that it has opened. Then the server cuts the connection, with 408 or before it reads anything.
    """
    sid = await open_polling(watched)
    url = f"{watched.server.url}/socket.io/?EIO=4&transport=polling&sid="

    async def ask(method: str, sid: str, body: bytes | None) -> int:
        with suppress(aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            async with watched.http.request(method, url + sid, data=body) as response:
                await response.read()
                return response.status
        return 408

    asked = [ask("GET", sid, None) for _ in range(50)] + [
        ask("POST", sid, b"42[]\x1e" * 100) for _ in range(50)
    ]
    asked += [ask("GET", f"nobody{number}", None) for number in range(100)]
    assert {400} <= set(await asyncio.gather(*asked)) <= {200, 400, 408}


async def floods(watched: Watched) -> None:
    """Send more events than a session may: the client is told, and disconnected when it does not slow down.

    It is told while it waits for acknowledgements. What is sent to a client that is cut while it sends may be
    lost: a connection that is closed before all its data was read is reset (RFC 9293 §3.6.1). All events
    together are fewer than the packets that may come at once, so that the limit of packets ends nothing here.
    """
    auth = json.dumps({"token": await watched.token(), "channels": [CHANNEL]})
    async with watched.http.ws_connect(watched.server.url + WEBSOCKET) as ws, asyncio.timeout(DEADLINE_S):
        await ws.send_str(f"40{auth}")
        texts: list[str] = []
        while not any("TOO_MANY_EVENTS" in text for text in texts):
            for number in range(100):  # as many as may come at once, so that refusals alone don't disconnect
                await ws.send_str(f'42{number}["message","{{}}"]')
            texts.clear()
            while sum(text.startswith("43") for text in texts) < 100:
                texts.append(await ws.receive_str())
        with suppress(ConnectionError, aiohttp.ClientError):
            for _ in range(700):
                await ws.send_str('42["message","{}"]')
        async for _ in ws:
            pass
    assert await watched.metric('hornet_refusals_total{code="TOO_MANY_EVENTS"}') > 100
    assert await watched.metric('hornet_malformed_packets_total{fault="too_many_packets"}') == 0


async def idlers(watched: Watched) -> None:
    """Open connections and sessions that never authenticate. Each is closed after its timeout."""
    async with AsyncExitStack() as stack, asyncio.timeout(2 * DEADLINE_S):
        silent = [await stack.enter_async_context(raw(watched)) for _ in range(200)]
        slow = [await stack.enter_async_context(raw(watched)) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ")
        for _ in range(200):
            await open_polling(watched)
        for reader, _ in silent + slow:
            with suppress(ConnectionError):
                answer = await reader.read()
                assert answer[:12] in (b"", b"HTTP/1.1 408")


ATTACKS = [garbage, paths, packets, withheld, huge, polls, floods, idlers]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_an_attack_affects_no_other_client(
    valkey: Valkey, watch: Watch, program: tuple[str, ...], attack: Attack
) -> None:
    limits = ("--handshake-timeout", "1", "--auth-timeout", "1", "--connect-timeout", "1")
    watched = await watch(valkey.url, *limits, program=program)
    honest = await watched.connect(await watched.token())
    await watched.publish("before")
    attacking = asyncio.create_task(attack(watched))
    published = 0
    while not attacking.done():
        await watched.publish("meanwhile")
        published += 1
        await asyncio.wait({attacking}, timeout=0.05)
    await attacking
    await watched.publish(END)
    assert await heard_until_end(honest) == ["before", *["meanwhile"] * published]

    async def sessions() -> float:
        return await watched.metric("hornet_sessions")

    await eventually(sessions, 1.0)
    assert await watched.metric("hornet_unhandled_errors_total") == 0
