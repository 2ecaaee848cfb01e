"""Clients that recover: who gets a pid, and how a client comes back to its session."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgpack  # type: ignore[import-untyped]  # ships no types
import pytest
import socketio

from hornet.engine import EngineSettings, Handshake, RestoredSession
from tests.engine.application import Application, Text, running
from tests.engine.caller import until

PID = "p" * 40
OFFSET = "a1b2-17-n1-3"


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with running(recovers=True) as started:
        started.engine.set_offset(OFFSET)
        yield started


async def opened(application: Application, **query: str) -> aiohttp.ClientWebSocketResponse:
    """Open a WebSocket that is connected to no namespace yet."""
    fields = "".join(f"&{name}={value}" for name, value in query.items())
    ws = await application.websocket(f"{application.url}?EIO=4&transport=websocket{fields}")
    assert (await ws.receive_str()).startswith("0{")
    return ws


async def connect(application: Application, auth: object = None, **query: str) -> tuple[Any, dict[str, str]]:
    """Connect to the main namespace; return the WebSocket and the data of the answer."""
    ws = await opened(application, **query)
    await ws.send_str("40" + ("" if auth is None else json.dumps(auth)))
    return ws, await answer(ws)


async def answer(ws: aiohttp.ClientWebSocketResponse) -> dict[str, str]:
    text = await ws.receive_str()
    assert text.startswith("40{")
    data: dict[str, str] = json.loads(text[2:])
    return data


def came_back(**fields: object) -> dict[str, object]:
    """What a stock client sends that has the pid and the offset of a session."""
    return {"pid": PID, "offset": OFFSET, "recover": True, **fields}


# Who recovers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "query", "by_default", "recovers"),
    [
        ({"recover": True}, {}, False, True),
        (None, {"recover": "1"}, False, True),
        ({"token": "t"}, {"recover": "true"}, False, True),
        (None, {}, True, True),
        (None, {}, False, False),
        ({"recover": "yes"}, {"recover": "yes"}, False, False),
        ({"recover": False}, {"recover": "1"}, True, False),
        (None, {"recover": "0"}, True, False),
    ],
    ids=[
        "auth",
        "query 1",
        "query true",
        "default",
        "unasked",
        "other values",
        "auth says no",
        "query says no",
    ],
)
async def test_a_client_that_asks_for_it_gets_a_pid_and_offsets(
    auth: object, query: dict[str, str], by_default: bool, recovers: bool
) -> None:
    async with running(EngineSettings(recover_by_default=by_default), recovers=True) as application:
        application.engine.set_offset(OFFSET)
        ws, data = await connect(application, auth, **query)
        sid, handshake = await application.connected.get()
        assert data == ({"sid": sid, "pid": handshake.pid} if recovers else {"sid": sid})
        assert len(handshake.pid) == (40 if recovers else 0)
        assert handshake.auth == auth
        application.engine.send(sid, "x")
        assert await ws.receive_str() == (f'42["x","{OFFSET}"]' if recovers else '42["x"]')
        assert not application.recoveries


async def test_no_client_recovers_unless_the_engine_does() -> None:
    async with running(EngineSettings(recover_by_default=True)) as application:
        _, data = await connect(application, came_back())
        assert list(data) == ["sid"]


async def test_a_client_of_version_3_never_recovers() -> None:
    async with running(EngineSettings(recover_by_default=True), recovers=True) as application:
        ws = await application.websocket(application.url + "?EIO=3&transport=websocket&recover=1")
        assert (await ws.receive_str()).startswith("0{")
        assert await ws.receive_str() == "40"
        sid, handshake = await application.connected.get()
        assert not handshake.pid
        application.engine.send(sid, "x")
        assert await ws.receive_str() == '42["x"]'


async def test_a_client_with_the_msgpack_parser_recovers(application: Application) -> None:
    ws = await opened(application)
    await ws.send_bytes(msgpack.packb({"type": 0, "nsp": "/", "data": {"recover": True}}))
    data = msgpack.unpackb(await ws.receive_bytes())["data"]
    sid, handshake = await application.connected.get()
    assert data == {"sid": sid, "pid": handshake.pid}
    application.engine.fan_out("all", Text("hello"))
    assert msgpack.unpackb(await ws.receive_bytes())["data"] == ["message", "hello", OFFSET]


async def test_python_socketio_adds_the_offset_to_events_but_not_where_it_awaits_an_answer(
    application: Application,
) -> None:
    ws, _ = await connect(application, {"recover": True})
    sid, _ = await application.connected.get()
    await application.sio.emit("to all", "text")
    await application.sio.emit("to rooms", to=["all", sid])
    await application.sio.emit("asked", to=sid, callback=lambda: None)
    assert [await ws.receive_str() for _ in range(3)] == [
        f'42["to all","text","{OFFSET}"]',
        f'42["to rooms","{OFFSET}"]',
        '421["asked"]',
    ]


async def test_a_namespace_of_a_plugin_has_no_offsets(application: Application) -> None:
    application.sio.register_namespace(socketio.AsyncNamespace("/plugin"))
    ws, _ = await connect(application, {"recover": True})
    await ws.send_str("40/plugin,")
    assert (await ws.receive_str()).startswith("40/plugin,{")
    await application.sio.emit("x", namespace="/plugin")
    assert await ws.receive_str() == '42/plugin,["x"]'


async def test_a_client_that_connects_anew_without_the_wish_has_no_offsets(application: Application) -> None:
    ws, _ = await connect(application, {"recover": True})
    sid, _ = await application.connected.get()
    application.engine.set_positions(sid, True)
    await ws.send_str("41")
    await application.last_gone()
    await until(lambda: not application.engine.sessions)
    await ws.send_str("40")
    assert list(await answer(ws)) == ["sid"]
    application.engine.fan_out("all", Text("{}"))
    assert await ws.receive_str() == '42["message","{}"]'


# Coming back ------------------------------------------------------------------------------------


async def test_a_restored_session_has_its_ids_and_first_gets_what_on_connect_sends(
    application: Application,
) -> None:
    state = object()

    async def restore(pid: str) -> RestoredSession | None:
        return RestoredSession("old", pid, state)

    application.restore = restore
    application.greeting = ("first", "second")
    ws, data = await connect(application, came_back(token="used up"))
    assert data == {"sid": "old", "pid": PID}
    assert application.recoveries == [(PID, OFFSET)]
    assert [await ws.receive_str() for _ in range(2)] == [
        f'42["first","{OFFSET}"]',
        f'42["second","{OFFSET}"]',
    ]
    sid, handshake = await application.connected.get()
    assert (sid, handshake.pid) == ("old", PID)
    assert handshake.auth == {"token": "used up", "recover": True}
    assert handshake.restored is not None
    assert handshake.restored.state is state
    application.engine.send("old", "later")
    assert await ws.receive_str() == f'42["later","{OFFSET}"]'


async def test_a_client_without_a_session_to_return_to_gets_a_new_one(application: Application) -> None:
    _, data = await connect(application, came_back())
    sid, handshake = await application.connected.get()
    assert data == {"sid": sid, "pid": handshake.pid}
    assert handshake.pid != PID
    assert handshake.restored is None


async def test_a_hook_may_restore_a_session_under_new_ids(application: Application) -> None:
    async def restore(pid: str) -> RestoredSession | None:
        return RestoredSession(state="rights")

    application.restore = restore
    _, data = await connect(application, came_back())
    sid, handshake = await application.connected.get()
    assert data == {"sid": sid, "pid": handshake.pid}
    assert len(handshake.pid) == 40
    assert handshake.pid != PID
    assert handshake.restored == RestoredSession(state="rights")


@pytest.mark.parametrize(
    "pid",
    [7, True, ["p" * 40], {"a": 1}, "", "p" * 39, "p" * 41, "p" * 60_000, "p" * 39 + "ä", "p" * 39 + "\n"],
    ids=["number", "true", "list", "object", "empty", "short", "long", "huge", "not ASCII", "line end"],
)
async def test_a_pid_that_is_none_of_hornets_gives_a_new_session(
    application: Application, pid: object
) -> None:
    _, data = await connect(application, came_back(pid=pid))
    sid, handshake = await application.connected.get()
    assert data == {"sid": sid, "pid": handshake.pid}
    assert handshake.auth == {"recover": True}
    assert not application.recoveries
    assert application.engine.counts.foreign_recoveries == {"pid": 1}


@pytest.mark.parametrize("offset", [7, ["a"], {}, "message", "a-1", OFFSET * 1000, "\ud800"], ids=repr)
async def test_an_offset_that_is_none_of_hornets_is_left_out(
    application: Application, offset: object
) -> None:
    await connect(application, came_back(offset=offset))
    assert application.recoveries == [(PID, "")]
    assert application.engine.counts.foreign_recoveries == {"offset": 1}


async def test_a_client_that_heard_nothing_has_no_offset(application: Application) -> None:
    await connect(application, {"pid": PID, "recover": True})
    await connect(application, came_back(offset=""))
    assert application.recoveries == [(PID, ""), (PID, "")]
    assert not application.engine.counts.foreign_recoveries


async def test_a_hook_that_fails_lets_the_client_begin_anew(application: Application) -> None:
    async def restore(_: str) -> RestoredSession | None:
        raise RuntimeError("a bug in a hook")

    application.restore = restore
    _, data = await connect(application, came_back())
    assert (await application.connected.get())[0] == data["sid"]
    assert application.engine.counts.hook_errors == 1


def test_a_pid_is_in_no_text_that_may_be_logged() -> None:
    handshake = Handshake(None, {}, {}, "127.0.0.1", 4, pid=PID, restored=RestoredSession("old", PID, PID))
    assert PID not in repr(handshake) + repr(handshake.restored)


# While the hook looks ---------------------------------------------------------------------------


class Looking:
    """A hook that takes its time."""

    def __init__(self, application: Application) -> None:
        self.begun = asyncio.Event()
        self.result: asyncio.Future[RestoredSession | None] = asyncio.get_running_loop().create_future()
        application.restore = self._restore

    async def _restore(self, _: str) -> RestoredSession | None:
        self.begun.set()
        return await self.result


async def test_what_a_client_sends_meanwhile_waits(application: Application) -> None:
    looking = Looking(application)
    ws = await opened(application)
    await ws.send_str("40" + json.dumps(came_back()))
    await ws.send_str('420["echo","a"]')
    await application.in_time(looking.begun.wait())
    assert not application.events
    looking.result.set_result(RestoredSession("old", PID))
    assert await answer(ws) == {"sid": "old", "pid": PID}
    assert [await ws.receive_str() for _ in range(2)] == [f'42["echo","a","{OFFSET}"]', '430["a"]']


async def test_a_second_connect_meanwhile_ends_the_session(application: Application) -> None:
    looking = Looking(application)
    ws = await opened(application)
    await ws.send_str("40" + json.dumps(came_back()))
    await application.in_time(looking.begun.wait())
    await ws.send_str("40")
    assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert application.engine.counts.malformed == {"connected": 1}
    looking.result.set_result(None)


@pytest.mark.parametrize("restored", [RestoredSession("old", PID), None], ids=["restored", "nothing"])
async def test_a_session_that_ends_meanwhile_connects_and_disconnects_or_neither(
    application: Application, restored: RestoredSession | None
) -> None:
    looking = Looking(application)
    ws = await opened(application)
    await ws.send_str("40" + json.dumps(came_back()))
    await application.in_time(looking.begun.wait())
    await ws.close()
    await until(lambda: application.engine.counts.closed)
    looking.result.set_result(restored)
    if restored is not None:
        assert (await application.in_time(application.connected.get()))[0] == "old"
        assert await application.last_gone() == ("old", "transport close")
    await until(lambda: not application.sio.manager.sessions)
    assert application.connected.empty()
    assert application.gone.empty()
    assert not application.engine.sessions


async def test_the_time_to_connect_goes_on_meanwhile() -> None:
    async with running(EngineSettings(connect_timeout_s=0.05), recovers=True) as application:
        looking = Looking(application)
        ws = await opened(application)
        await ws.send_str("40" + json.dumps(came_back()))
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert application.engine.counts.closed == {"connect timeout": 1}
        looking.result.set_result(None)


# The session before -----------------------------------------------------------------------------


async def test_the_old_connection_of_a_restored_session_ends_without_a_hook(application: Application) -> None:
    old, data = await connect(application, {"recover": True})
    sid, _ = await application.connected.get()
    application.engine.enter(sid, "room")

    async def restore(_: str) -> RestoredSession | None:
        return RestoredSession(sid, data["pid"])

    application.restore = restore
    new, again = await connect(application, came_back(pid=data["pid"]))
    assert again == data
    assert (await old.receive()).type is aiohttp.WSMsgType.CLOSE
    assert application.engine.counts.closed == {"taken over": 1}
    assert application.engine.fan_out("room", Text("old rooms")) == 0
    assert application.engine.fan_out("all", Text("hello")) == 1
    assert await new.receive_str() == f'42["message","hello","{OFFSET}"]'
    await new.close()
    assert await application.last_gone() == (sid, "transport close")
    assert application.gone.empty()


async def test_an_end_that_is_still_handled_takes_nothing_from_the_session_that_came_back(
    application: Application,
) -> None:
    old, data = await connect(application, {"recover": True})
    sid, _ = await application.connected.get()
    application.departures.clear()
    await old.close()
    await until(lambda: application.engine.counts.closed)

    async def restore(_: str) -> RestoredSession | None:
        return RestoredSession(sid, data["pid"])

    application.restore = restore
    new, _ = await connect(application, came_back(pid=data["pid"]))
    application.departures.set()
    assert (await application.last_gone())[0] == sid
    await until(lambda: len(application.sio.manager.sessions) == 1)
    assert application.engine.sessions == 1
    application.engine.send(sid, "x")
    assert await new.receive_str() == f'42["x","{OFFSET}"]'


async def test_ending_an_unknown_session_silently_does_nothing(application: Application) -> None:
    application.engine.end_silently("nobody")
    assert not application.engine.counts.closed
