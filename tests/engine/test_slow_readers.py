"""Clients that read too slowly are disconnected, before they cost memory or hold up others."""

import asyncio
import socket
import tracemalloc
from collections.abc import Callable

import pytest

from hornet.engine import EngineSettings
from tests.engine.application import Application, Text, running
from tests.engine.caller import WAIT_S, until
from tests.engine.compiled import COMPILED


@pytest.mark.parametrize("compiled", COMPILED)
async def test_a_client_that_stops_reading_is_disconnected_and_costs_no_memory(
    record_property: Callable[[str, object], None], compiled: bool
) -> None:
    """100 MB are published; one client reads nothing, one reads all."""
    async with running(EngineSettings(send_buffer_bytes=1_048_576, compiled=compiled)) as application:
        reader, _ = await application.open_websocket()
        slow, slow_sid = await application.open_websocket()
        transport = slow._response.connection.transport  # type: ignore[union-attr]  # there is no public way
        assert transport is not None
        transport.pause_reading()
        loop = asyncio.get_running_loop()
        latencies: list[float] = []
        tracemalloc.start()
        try:
            for number in range(1000):
                start = loop.time()
                application.engine.fan_out("all", Text(f"{number:100000}"))
                async with asyncio.timeout(WAIT_S):
                    assert len(await reader.receive_str()) > 100_000
                latencies.append(loop.time() - start)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert await application.last_gone() == (slow_sid, "slow reader")
        assert application.engine.counts.slow_readers == 1
        assert peak < 8_000_000
        # For who asks (--junit-xml, -rA); how fast a shared machine is decides no test.
        record_property("slowest message of the other client, ms", round(max(latencies) * 1000, 1))
        record_property("peak memory, MB", round(peak / 1e6, 1))
        print(f"slowest {max(latencies) * 1000:.1f} ms, peak {peak / 1e6:.1f} MB")
        transport.resume_reading()
        await slow.close()


@pytest.mark.parametrize(("eio", "text"), [(4, "x" * 3_000_000), (3, "Д" * 500_000)])
@pytest.mark.parametrize("polls", [True, False])
async def test_one_message_of_any_length_reaches_a_poller_and_only_those_behind_it_are_too_many(
    application: Application, eio: int, text: str, polls: bool
) -> None:
    """Version 3 gets each letter that is not ASCII as six characters."""
    eio_sid, sid = await application.open_polling(eio)

    async def poll() -> str:
        return await (await application.get(EIO=str(eio), transport="polling", sid=eio_sid)).text()

    polling = None
    if polls:
        polling = asyncio.create_task(poll())
        await until(lambda: application.polls(eio_sid))
    application.engine.send(sid, "long", text)
    body = await polling if polling else await poll()
    assert body.count("x") + body.count("\\u0414") >= len(text)
    application.engine.send(sid, "short")
    assert "short" in await poll()
    application.engine.send(sid, "long", text)
    assert application.gone.empty()
    application.engine.send(sid, "short")
    assert await application.last_gone() == (sid, "slow reader")


@pytest.mark.parametrize("compiled", COMPILED)
async def test_one_message_of_any_length_reaches_a_websocket_and_only_those_behind_it_are_too_many(
    compiled: bool,
) -> None:
    """What the kernel takes does not count, so the message is longer than its buffers."""
    async with running(EngineSettings(send_buffer_bytes=1_048_576, compiled=compiled)) as application:
        ws, sid = await application.open_websocket()
        transport = ws._response.connection.transport  # type: ignore[union-attr]  # there is no public way
        assert transport is not None
        # Otherwise the kernel may let the buffer grow to 32 MB, and takes the whole message.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        text, session = "x" * 6_000_000, application.engine.sio.eio.table.sessions
        for send in (
            application.engine.send,
            lambda _, *args: application.engine.fan_out("all", Text(args[1])),
        ):
            transport.pause_reading()
            send(sid, "long", text)
            await until(lambda: sum(s.unsent_bytes for s in session.values()) > 1_048_576)
            application.engine.send(sid, "short")
            transport.resume_reading()
            async with asyncio.timeout(WAIT_S):
                assert len(await ws.receive_str()) > len(text)
                assert await ws.receive_str() == '42["short"]'
        transport.pause_reading()
        application.engine.send(sid, "long", text)
        application.engine.send(sid, "long", text)
        assert await application.last_gone() == (sid, "slow reader")
        transport.resume_reading()


async def test_a_poller_that_fetches_nothing_is_disconnected() -> None:
    async with running(EngineSettings(send_buffer_bytes=10_000)) as application:
        _, sid = await application.open_polling()
        for _ in range(11):
            application.engine.send(sid, "x", "x" * 1000)
        assert await application.last_gone() == (sid, "slow reader")
