"""Faults of the library's own server (python-socketio 5.18, python-engineio 4.15) that Hornet must not have.

Each test runs against both. It must pass on Hornet and fail on the library's server. When a release mends a
fault, its strict mark says so here, and Hornet's own code may no longer be needed.
"""

import asyncio
import base64
import gc
import json
import socket
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import pytest
from yarl import URL

from hornet.engine import EngineSettings
from tests.engine.application import running
from tests.engine.caller import Caller, until
from tests.engine.stock import running_stock

Serve = Callable[..., AbstractAsyncContextManager[Caller]]

PLAIN = {"Content-Type": "text/plain"}
MESSAGES = 200
MANY = 50_000


def mends(fault: str) -> pytest.MarkDecorator:
    """Run the test on our server, where it passes, and on the library's, where it fails for that reason."""
    stock = pytest.mark.xfail(reason=fault, strict=True, raises=AssertionError)
    return pytest.mark.parametrize(
        "serve", [pytest.param(running, id="hornet"), pytest.param(running_stock, id="stock", marks=stock)]
    )


@pytest.mark.parametrize("serve", [running, running_stock], ids=["hornet", "stock"])
async def test_what_both_servers_do_well(serve: Serve) -> None:
    """Else a fault below could be one of the test."""
    async with serve() as caller:
        ws, _ = await caller.open_websocket()
        eio_sid, _ = await caller.open_polling()
        await ws.send_str('421["question",1]')
        assert await ws.receive_str() == "431[1]"
        assert await caller.post(eio_sid, '421["question",2]') == 200
        assert await caller.poll(eio_sid) == "431[2]"
        await caller.sio.emit("news", {"n": 1}, room="all")
        assert await ws.receive_str() == '42["news",{"n":1}]'
        assert await caller.poll(eio_sid) == '42["news",{"n":1}]'
        await ws.close()
        assert await caller.last_gone()


@mends("a POST of more than 16 packets is answered 200 and loses them all")
async def test_a_post_of_many_packets_loses_none(serve: Serve) -> None:
    async with serve() as caller:
        eio_sid, _ = await caller.open_polling()
        packets = [f'42["n",{number}]' for number in range(100)]
        assert await caller.post(eio_sid, "\x1e".join([*packets, '421["last"]'])) == 200
        assert await caller.in_time(caller.poll(eio_sid)) == "431[]"
        assert [args[0] for name, args in caller.events if name == "n"] == list(range(100))


@mends("a binary broadcast to WebSockets and pollers answers the pollers 500")
async def test_a_binary_event_reaches_pollers_and_websockets_alike(serve: Serve) -> None:
    async with serve() as caller:
        ws, _ = await caller.open_websocket()
        eio_sid, _ = await caller.open_polling()
        await caller.sio.emit("bytes", b"\x00\xff", room="all")
        assert await ws.receive_str() == '451-["bytes",{"_placeholder":true,"num":0}]'
        assert await ws.receive_bytes() == b"\x00\xff"
        assert await caller.poll(eio_sid) == '451-["bytes",{"_placeholder":true,"num":0}]\x1ebAP8='


@mends("two polls at once both hang")
async def test_a_second_poll_is_refused_and_ends_the_session(serve: Serve) -> None:
    async with serve() as caller:
        eio_sid, _ = await caller.open_polling()
        query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
        answers = await caller.in_time(asyncio.gather(caller.get(**query), caller.get(**query)))
        assert sorted(answer.status for answer in answers) == [200, 400]
        await caller.last_gone()


@mends("a malformed packet leaves the connection open")
@pytest.mark.parametrize("body", ["4x", "abc", "", "42{}", "b***"])
async def test_a_malformed_packet_ends_the_session(serve: Serve, body: str) -> None:
    async with serve() as caller:
        eio_sid, sid = await caller.open_polling()
        assert await caller.post(eio_sid, body) == 400
        assert (await caller.last_gone())[0] == sid
        assert (await caller.get(EIO="4", transport="polling", sid=eio_sid)).status == 400


@mends("a POST in chunks is dropped with 200")
async def test_a_post_in_chunks_is_read(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'421["ch'
        yield b'unked"]'

    async with serve() as caller:
        eio_sid, _ = await caller.open_polling()
        query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
        async with caller.http.post(caller.url, params=query, data=chunks(), headers=PLAIN) as response:
            assert response.status == 200
        assert await caller.in_time(caller.poll(eio_sid)) == "431[]"


@mends("a POST in chunks is dropped with 200, whatever its size")
async def test_a_body_too_big_is_refused_also_in_chunks(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"4" * 100

    async with serve(EngineSettings(max_payload_bytes=1000)) as caller:
        eio_sid, _ = await caller.open_polling()
        query = {"EIO": "4", "transport": "polling", "sid": eio_sid}
        async with caller.http.post(caller.url, params=query, data=chunks(), headers=PLAIN) as response:
            assert response.status == 413


@mends("there is no connect timeout")
async def test_a_client_that_never_connects_to_a_namespace_is_closed(serve: Serve) -> None:
    async with serve(EngineSettings(connect_timeout_s=0.1)) as caller:
        ws = await caller.websocket(caller.url + "?EIO=4&transport=websocket")
        await ws.receive_str()
        assert (await caller.in_time(ws.receive())).type is aiohttp.WSMsgType.CLOSE


@mends("errors are bare strings")
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
async def test_an_error_has_a_code_and_a_message(serve: Serve, query: dict[str, str], code: int) -> None:
    async with serve() as caller:
        response = await caller.get(**query)
        assert response.status == 400
        answer = json.loads(await response.text())
        assert isinstance(answer, dict)
        assert answer["code"] == code
        assert answer["message"]


@mends("another origin is refused with 400 and a bare string")
async def test_another_origin_is_forbidden_with_a_code(serve: Serve) -> None:
    async with serve(EngineSettings(allowed_origins=("https://friend.example",))) as caller:
        headers = {"Origin": "https://stranger.example"}
        async with caller.http.get(caller.url, headers=headers) as response:
            assert response.status == 403
            assert (await response.json())["code"] == 4


@mends("JSONP escapes quotes and nothing else")
async def test_a_jsonp_response_is_a_script_with_the_same_text(serve: Serve) -> None:
    text = '"\\n\u2028é'
    async with serve() as caller:
        eio_sid, _ = await caller.open_polling()
        await caller.sio.emit("say", text, room="all")
        script = await (await caller.get(EIO="4", transport="polling", sid=eio_sid, j="0")).text()
        payload = parsed(script.removeprefix("___eio[0](").removesuffix(");"))
        assert isinstance(payload, str)
        assert parsed(payload.removeprefix("42")) == ["say", text]


def parsed(text: str) -> Any:
    """The value of a JSON text, None for what is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
@mends("REMOTE_ADDR is 127.0.0.1 for all clients of aiohttp")
async def test_the_address_is_the_clients_own(serve: Serve) -> None:
    async with serve() as caller:
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as elsewhere:
            ws = await elsewhere.ws_connect(caller.url + "?EIO=4&transport=websocket")
            await ws.send_str("40")
            _, handshake = await caller.in_time(caller.connected.get())
            await ws.close()
        assert handshake.address == "127.0.0.2"


@mends("X-Forwarded-For is ignored")
async def test_the_address_is_the_clients_own_through_trusted_proxies(serve: Serve) -> None:
    async with serve(EngineSettings(trusted_proxies=("127.0.0.0/8",))) as caller:
        ws = await caller.websocket(
            caller.url + "?EIO=4&transport=websocket",
            headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"},
        )
        await ws.send_str("40")
        _, handshake = await caller.in_time(caller.connected.get())
        assert handshake.address == "203.0.113.9"


@mends("Engine.IO 3 is refused")
async def test_engine_io_3_is_served(serve: Serve) -> None:
    async with serve() as caller:
        response = await caller.get(EIO="3", transport="polling")
        assert response.status == 200
        assert (await response.text()).endswith("2:40")


@mends("compression is on for every client that offers it")
async def test_compression_is_there_only_when_it_is_asked_for(serve: Serve) -> None:
    async with serve(EngineSettings(compression=False)) as caller:
        ws = await caller.websocket(caller.url + "?EIO=4&transport=websocket", compress=15)
        assert not ws.compress


@mends("a poll that the client cut takes the next message with it")
async def test_a_poll_that_the_client_cuts_ends_the_session(serve: Serve) -> None:
    async with serve() as caller:
        eio_sid, sid = await caller.open_polling()
        poll = asyncio.create_task(caller.poll(eio_sid))
        await until(lambda: caller.polls(eio_sid))
        poll.cancel()
        assert (await caller.last_gone())[0] == sid


# Costs ------------------------------------------------------------------------------------------------


@mends("an idle connection has six tasks")
async def test_an_idle_connection_has_no_task(serve: Serve) -> None:
    async with serve() as caller:
        await caller.open_websocket()
        before = len(asyncio.all_tasks())
        for _ in range(10):
            await caller.open_websocket()
        assert len(asyncio.all_tasks()) - before < 10


@mends("a broadcast makes a task for each recipient")
async def test_a_broadcast_makes_no_task_for_each_recipient(serve: Serve) -> None:
    made = 0

    def count(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        nonlocal made
        made += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    async with serve() as caller:
        sockets = [(await caller.open_websocket())[0] for _ in range(20)]
        loop = asyncio.get_running_loop()
        loop.set_task_factory(count)
        await caller.sio.emit("news", 1, room="all")
        loop.set_task_factory(None)
        for ws in sockets:
            assert await ws.receive_str() == '42["news",1]'
        assert made < 20


@mends("an idle connection takes some 31 KB")
async def test_an_idle_connection_is_small(serve: Serve) -> None:
    async with serve() as caller, AsyncExitStack() as sockets:
        await sockets.enter_async_context(plain_websocket(caller))
        with measured_memory() as held:
            for _ in range(50):
                await sockets.enter_async_context(plain_websocket(caller))
            assert held() / 50 < 12_000


@mends("what a slow reader does not read is queued without end")
async def test_a_slow_reader_is_cut_off_before_it_costs_much(serve: Serve) -> None:
    async with serve() as caller, plain_websocket(caller):
        with measured_memory() as held:
            for number in range(MESSAGES):
                await caller.sio.emit("long", f"{number:100000}", room="all")
                await asyncio.sleep(0)
            assert held() < MESSAGES * 100_000 / 4
        assert (await caller.last_gone())[1] == "slow reader"


@mends("asking for the rooms of one session walks all rooms")
async def test_asking_for_rooms_costs_those_of_the_session(serve: Serve) -> None:
    async with serve() as caller:
        await enter_rooms(caller, MANY)
        _, guest = await caller.open_websocket()
        spent: list[float] = []
        for _ in range(5):
            start = time.thread_time()
            assert sorted(caller.sio.rooms(guest)) == sorted(["all", guest])
            spent.append(time.thread_time() - start)
        assert min(spent) < 0.0005


@mends("a departure walks all rooms")
async def test_a_departure_costs_no_more_where_there_are_many_rooms(serve: Serve) -> None:
    async def departure_s() -> float:
        ws, sid = await caller.open_websocket()
        start = time.thread_time()
        await ws.close()
        assert (await caller.last_gone())[0] == sid
        await asyncio.sleep(0)
        return time.thread_time() - start

    async with serve() as caller:
        with_few = min([await departure_s() for _ in range(5)])
        await enter_rooms(caller, MANY)
        with_many = min([await departure_s() for _ in range(5)])
        assert with_many - with_few < 0.001


async def enter_rooms(caller: Caller, number: int) -> None:
    """Have a session of its own enter so many rooms."""
    _, sid = await caller.open_websocket()
    for room in range(number):
        await caller.sio.enter_room(sid, f"room {room}")


@contextmanager
def measured_memory() -> Iterator[Callable[[], int]]:
    """A function that tells how many bytes more Python holds than at the start."""
    gc.collect()
    tracemalloc.start()

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    try:
        yield held
    finally:
        tracemalloc.stop()


@asynccontextmanager
async def plain_websocket(caller: Caller) -> AsyncIterator[None]:
    """A connected client that reads no further and takes next to no memory: a socket without a stream."""
    url, loop = URL(caller.url), asyncio.get_running_loop()
    assert url.host is not None
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, (url.host, url.port))
        request = (
            f"GET {url.path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {url.host}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n"
        )
        # A masked frame of the text 40, with a mask of zeros.
        await loop.sock_sendall(client, request.encode() + b"\x81\x82\0\0\0\0" + b"40")
        received = b""
        while b"40{" not in received:
            received += await loop.sock_recv(client, 4096)
        await caller.connected.get()
        yield
