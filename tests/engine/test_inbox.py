"""The inbox of a session: its jobs run one after the other, and a reader waits for them without polling."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

import aiohttp

from hornet.engine.transport.inbox import INBOX_HIGH, INBOX_LOW
from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.websocket import CLOSE_TIMEOUT_S
from tests.engine.application import Application
from tests.engine.caller import WAIT_S, until


class Resumptions:
    """Awaits a coroutine, and counts how often the event loop resumes it."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self.count = 0

    def __await__(self) -> Generator[Any, None, None]:
        steps = self._coroutine.__await__()
        for awaited in steps:
            yield awaited
            self.count += 1

    async def run(self) -> None:
        await self


async def polling_session(application: Application) -> EngineSession:
    eio_sid, _ = await application.open_polling()
    session: EngineSession = application.engine.sio.eio.table.sessions[eio_sid]
    return session


async def test_a_reader_behind_slow_handlers_wakes_only_when_it_may_go_on(application: Application) -> None:
    session = await polling_session(application)
    released = asyncio.Semaphore(0)
    for _ in range(INBOX_HIGH):
        session.do(released.acquire)
    drained = Resumptions(session.drain())
    draining = asyncio.create_task(drained.run())
    await asyncio.sleep(0.2)  # four times what a reader slept that asked again and again
    assert drained.count == 0
    assert not draining.done()
    for _ in range(INBOX_HIGH - INBOX_LOW):
        released.release()
    await asyncio.wait_for(draining, WAIT_S)
    assert drained.count == 1
    for _ in range(INBOX_LOW):
        released.release()


async def test_a_reader_goes_on_when_the_jobs_are_cancelled(application: Application) -> None:
    session = await polling_session(application)
    never = asyncio.Event()
    for _ in range(INBOX_HIGH):
        session.do(never.wait)
    draining = asyncio.create_task(session.drain())
    await asyncio.sleep(0)
    assert session.inbox is not None
    session.inbox.task.cancel()
    await asyncio.wait_for(draining, WAIT_S)


async def test_an_upgrade_does_not_let_a_client_past_a_full_inbox(application: Application) -> None:
    """Polling can't pause, so the inbox may be full when the WebSocket takes over."""
    eio_sid, _ = await application.open_polling()
    session: EngineSession = application.engine.sio.eio.table.sessions[eio_sid]
    released = asyncio.Semaphore(0)
    for _ in range(INBOX_HIGH + 2):
        session.do(released.acquire)
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}")
    await ws.send_str("2probe")
    assert await ws.receive_str() == "3probe"
    await ws.send_str("5")
    await ws.send_str('42["echo"]')
    await until(lambda: session.ws is not None and not session.ws.is_reading())
    for _ in range(INBOX_HIGH + 2):
        released.release()
    assert await ws.receive_str() == '42["echo"]'
    assert session.ws is not None
    assert session.ws.is_reading()


async def test_a_session_that_ends_with_a_full_inbox_still_reads_the_close_frame(
    application: Application,
) -> None:
    ws, sid = await application.open_websocket()
    table = application.engine.sio.eio.table
    [session] = table.sessions.values()
    released = asyncio.Semaphore(0)
    for _ in range(INBOX_HIGH + 2):
        session.do(released.acquire)
    application.engine.close(sid)
    assert table.closing
    assert (await ws.receive(WAIT_S)).type is aiohttp.WSMsgType.CLOSE
    assert session.inbox is not None
    async with asyncio.timeout(CLOSE_TIMEOUT_S / 2):
        while table.closing:  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.01)
    for _ in range(INBOX_HIGH + 2):
        released.release()
    await application.last_gone()


async def test_a_job_that_fails_is_counted_and_the_next_one_runs(application: Application) -> None:
    session = await polling_session(application)
    after = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("a bug in a hook")

    async def run() -> None:
        after.set()

    session.do(fail)
    session.do(run)
    await asyncio.wait_for(after.wait(), WAIT_S)
    assert application.engine.counts.hook_errors == 1
    await asyncio.sleep(0)
    assert session.inbox is None, "the session keeps an inbox only while there is work"
