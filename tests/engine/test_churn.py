"""Sessions that come and go leave nothing behind. The large version of it is a benchmark."""

import asyncio
import gc

from hornet.engine.transport.session import EngineSession
from hornet.engine.transport.websocket import WebSocketTransport
from tests.engine.application import Application

ROUNDS, WEBSOCKETS, POLLERS, UPGRADED = 5, 120, 50, 30
SPARE_OBJECTS = 200
"""What Python, aiohttp and pytest may keep for themselves from one round to the next."""


async def come_and_go(application: Application) -> None:
    """Open sessions of all kinds, send them something, close them, and return once all are gone."""
    sockets = [(await application.open_websocket())[0] for _ in range(WEBSOCKETS)]
    pollers = [(await application.open_polling())[0] for _ in range(POLLERS)]
    for eio_sid in [(await application.open_polling())[0] for _ in range(UPGRADED)]:
        url = f"{application.url}?EIO=4&transport=websocket&sid={eio_sid}"
        ws = await application.http.ws_connect(url)
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        await ws.send_str("5")
        sockets.append(ws)
    await application.engine.sio.emit("news", 1, room="all")
    for ws in sockets:
        assert await ws.receive_str() == '42["news",1]'
        await ws.close()
    for eio_sid in pollers:
        assert await application.poll(eio_sid) == '42["news",1]'
        assert await application.post(eio_sid, "1") == 200
    for _ in range(WEBSOCKETS + POLLERS + UPGRADED):
        await application.last_gone()
    application.websockets.clear()


def objects() -> list[object]:
    gc.collect()
    return gc.get_objects()


async def test_sessions_that_came_and_went_leave_no_object_behind(application: Application) -> None:
    await come_and_go(application)
    await asyncio.sleep(0)
    before = len(objects())
    for _ in range(ROUNDS - 1):
        await come_and_go(application)
    await asyncio.sleep(0)
    left = objects()
    table = application.engine.sio.eio.table  # tests before this one, in the same process, had others
    assert not [o for o in left if isinstance(o, EngineSession) and o.owner is table]
    assert not [o for o in left if isinstance(o, WebSocketTransport) and o._owner is table]
    assert len(left) - before < SPARE_OBJECTS
    engine = application.engine
    assert (engine.sessions, len(engine.sio.eio.table.sessions), len(engine.members("all"))) == (0, 0, 0)
