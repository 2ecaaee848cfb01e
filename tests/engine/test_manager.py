"""python-socketio's manager: what crosses processes through Redis, and calls with an answer."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import socketio

from hornet.engine.socketio.process_requests import parse_manager_request
from tests.conftest import Valkey
from tests.engine.application import Application, running
from tests.engine.caller import WAIT_S, until


async def test_another_process_emits_enters_and_disconnects(valkey: Valkey) -> None:
    async with running(redis_url=valkey.url) as application:
        ws, sid = await application.open_websocket()
        outside = socketio.AsyncRedisManager(valkey.url, write_only=True)
        async with asyncio.timeout(WAIT_S):
            await _heard(outside, ws.receive_str, sid)
            await outside.enter_room(sid, "/", "theirs")
            await until(lambda: sid in application.engine.members("theirs"))
            await outside.emit("to room", {"n": 1}, namespace="/", room="theirs")
            while await ws.receive_str() != '42["to room",{"n":1}]':
                pass
            await outside.can_disconnect(sid, "/")
            while await ws.receive_str() != "41":
                pass
        assert await application.last_gone() == (sid, "server namespace disconnect")
        await outside.redis.aclose()


async def _heard(outside: Any, receive: Callable[[], Coroutine[Any, Any, str]], sid: str) -> None:
    """Emit until it arrives: the engine's subscription may not be there yet."""
    first = asyncio.create_task(receive())
    while not first.done():
        await outside.emit("hello", 1, namespace="/", room=sid)
        await asyncio.wait((first,), timeout=0.05)
    assert first.result() == '42["hello",1]'


async def test_a_session_of_another_node_is_disconnected_through_redis(valkey: Valkey) -> None:
    async with running(redis_url=valkey.url) as here, running(redis_url=valkey.url) as there:
        ws, sid = await there.open_websocket()
        closed = asyncio.create_task(there.last_gone())
        while not closed.done():
            await here.engine.sio.disconnect(sid)
            await asyncio.wait((closed,), timeout=0.05)
        assert closed.result() == (sid, "server namespace disconnect")
        await ws.close()


async def test_a_callback_gets_the_clients_acknowledgement(application: Application) -> None:
    ws, sid = await application.open_websocket()
    asked = asyncio.create_task(application.engine.sio.call("question", 1, to=sid, timeout=WAIT_S))
    assert await ws.receive_str() == '421["question",1]'
    await ws.send_str('431["answer"]')
    assert await asked == "answer"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"[]",
        b'{"method":["emit"]}',
        b'{"method":"unknown"}',
        b'{"method":"emit","data":1}',
        b'{"method":"emit","event":"a"}',
        b'{"method":"emit","event":"a","data":1,"room":[["a"]]}',
        b'{"method":"emit","event":"a","data":1,"skip_sid":{}}',
        b'{"method":"emit","event":"a","data":1,"namespace":1}',
        b'{"method":"emit","event":"a","data":1,"callback":1}',
        b'{"method":"emit","event":"a","data":1,"binary":true}',
        b'{"method":"emit","event":"a","data":[{"_placeholder":true,"num":1},"!"],"binary":true}',
        b'{"method":"enter_room","sid":"a","room":[]}',
        b'{"method":"disconnect","sid":1}',
        b'{"method":"callback","host_id":"a","sid":"b","id":"c","args":[]}',
    ],
)
def test_a_malformed_request_of_another_process_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_manager_request(payload)


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "emit", "event": "a", "data": ["b"], "room": ["r", 7], "skip_sid": None, "callback": None},
        {"method": "enter_room", "sid": "a", "room": 7, "namespace": "/x"},
        {"method": "callback", "host_id": "a", "sid": "b", "id": 1, "args": []},
    ],
)
def test_a_request_in_the_form_of_python_socketio_is_taken(request_: dict[str, object]) -> None:
    assert parse_manager_request(json.dumps(request_).encode()) == request_
