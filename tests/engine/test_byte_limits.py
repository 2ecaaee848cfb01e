"""Limits in bytes: how fast a session is read, how much of it may wait, and what a message is parsed into."""

import asyncio
import json
import time
import tracemalloc
from contextlib import suppress

import msgpack  # type: ignore[import-untyped]  # ships no types
import pytest

from hornet.engine import EngineSettings
from hornet.engine.errors import Malformed
from hornet.engine.transport.inbox import BYTES_HIGH
from hornet.engine.wire.msgpack_packets import parse_msgpack
from hornet.engine.wire.packets import check_containers
from tests.engine.application import running
from tests.engine.caller import WAIT_S, until

MOST_BYTES = 4_000_000
MOST_CPU_S = 0.2


async def test_a_websocket_that_sends_fast_is_read_slowly_and_nothing_is_lost() -> None:
    async with running(EngineSettings(max_byte_rate=100_000.0)) as application:
        ws, _ = await application.open_websocket()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        sending = asyncio.create_task(_send(ws, '42["echo","' + "x" * 50_000 + '"]', 12))
        async with asyncio.timeout(WAIT_S):
            for _ in range(12):
                await ws.receive_str()
        await sending
        # Of 600 kB, 200 kB may come at once, and one read of up to 256 KiB before it is known to be too much.
        assert loop.time() - begun > 1.2
        assert application.engine.counts.paced >= 1


async def test_a_post_beyond_the_rate_of_bytes_is_answered_later() -> None:
    async with running(EngineSettings(max_byte_rate=10_000.0)) as application:
        eio_sid, _ = await application.open_polling()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(2):
            assert await application.post(eio_sid, '42["echo","' + "x" * 12_000 + '"]') == 200
        assert loop.time() - begun > 0.35
        assert application.engine.counts.paced == 1


async def test_a_paced_websocket_that_ends_meanwhile_is_left_alone() -> None:
    async with running(EngineSettings(max_byte_rate=10_000.0)) as application:
        ws, sid = await application.open_websocket()
        await ws.send_str('42["echo","' + "x" * 22_000 + '"]')
        await until(lambda: application.engine.counts.paced)
        application.engine.close(sid)
        await application.last_gone()
        await asyncio.sleep(0.3)  # past the end of the pause


async def test_reading_stops_while_many_bytes_wait_to_be_handled() -> None:
    settings = EngineSettings(max_byte_rate=100_000_000.0)
    async with running(settings) as application:
        ws, _ = await application.open_websocket()
        [session] = application.sio.eio.table.sessions.values()
        released = asyncio.Semaphore(0)
        session.do(released.acquire)
        text = '42["echo","' + "x" * (BYTES_HIGH // 2) + '"]'
        sending = asyncio.create_task(_send(ws, text, 40))
        await until(lambda: session.ws is not None and not session.ws.is_reading())
        assert session.inbox is not None
        assert session.inbox.waiting_bytes < 2 * BYTES_HIGH
        released.release()
        async with asyncio.timeout(WAIT_S):
            for _ in range(40):
                await ws.receive_str()
        await sending


async def _send(ws: object, text: str, times: int) -> None:
    for _ in range(times):
        await ws.send_str(text)  # type: ignore[attr-defined]  # aiohttp's WebSocket


@pytest.mark.parametrize("parser", ["json", "msgpack"])
async def test_a_message_of_many_containers_ends_the_session(parser: str) -> None:
    async with running(EngineSettings(max_containers=100)) as application:
        ws, _ = await application.open_websocket()
        event = ["echo", [[] for _ in range(200)]]
        if parser == "json":
            await ws.send_str("42" + json.dumps(event))
        else:
            ws = await application.websocket(application.url + "?EIO=4&transport=websocket&parser=msgpack")
            await ws.receive_str()
            await ws.send_bytes(msgpack.packb({"type": 0, "nsp": "/"}))
            await ws.send_bytes(msgpack.packb({"type": 2, "nsp": "/", "data": event}))
        await until(lambda: application.engine.counts.malformed)
        assert application.engine.counts.malformed == {"too_many_containers": 1}


def test_brackets_in_texts_are_no_containers() -> None:
    check_containers(json.dumps(["a", "[{" * 1000, {'"[': "\\"}]), 10)
    check_containers('["a","' + '\\"[' * 1000, 10)
    with pytest.raises(Malformed, match="too_many_containers"):
        check_containers(json.dumps(["a", *[[] for _ in range(10)]]), 10)


@pytest.mark.parametrize("text", ['"' + '\\"' * 400_000 + "[" * 100_000, '"[' * 250_000 + "[" * 50_000])
def test_no_text_takes_long_to_count(text: str) -> None:
    before_s = time.process_time()
    with suppress(Malformed):
        check_containers(text, 10_000)
    assert time.process_time() - before_s < MOST_CPU_S


BOMBS = {
    "nested headers": b"\xdc\xff\xff" * 20_000,
    "nested headers of a long message": b"\xdd\x00\x0e\xff\xff" * 500 + bytes(960_000),
    "nested maps": b"\xde\xff\xff\xa0" * 20_000,
    "empty lists": b"\xdd\x00\x0e\xff\xff" + b"\x90" * 0xEFFFF,
    "empty maps": b"\xdd\x00\x0e\xff\xff" + b"\x80" * 0xEFFFF,
    "extensions": b"\xdd\x00\x04\xff\xff" + b"\xd4\x05\x00" * 0x4FFFF,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_message_of_messagepack_takes_little_memory_before_it_is_refused(kind: str) -> None:
    before_s = time.process_time()
    with pytest.raises(Malformed):
        parse_msgpack(BOMBS[kind])
    assert time.process_time() - before_s < MOST_CPU_S
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            parse_msgpack(BOMBS[kind])
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES + 8 * len(BOMBS[kind])
    finally:
        tracemalloc.stop()
