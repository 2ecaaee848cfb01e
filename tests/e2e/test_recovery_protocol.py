"""Connection state recovery on the wire, as stock clients see it: the pid, the offsets, and the way back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import pytest

from hornet.engine import Delivery, EngineSettings, RestoredSession
from tests.e2e.node_client import LATEST, RECOVERY_VERSIONS, NodeClient, NodeClients
from tests.e2e.versions import TRANSPORTS, with_msgpack
from tests.engine.application import Application, Text, running

FIRST, LAST_WITHOUT = RECOVERY_VERSIONS


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    async with running(recovers=True) as started:
        yield started


class Offsets:
    """The offsets of a node that hears one message after the other."""

    def __init__(self, application: Application) -> None:
        self._engine = application.engine
        self._numbers = count(1)
        self.latest = ""

    def move(self) -> None:
        self.latest = f"a1b2-{next(self._numbers)}-n1-7"
        self._engine.set_offset(self.latest)


async def connect(
    application: Application, clients: NodeClients, *, version: str = LATEST, **options: Any
) -> tuple[NodeClient, str, str]:
    """Connect a stock client; return it with the session's id and its pid."""
    url = application.url.removesuffix("/socket.io/")
    client = await clients.connect(url, version=version, reconnectionDelay=10, **options)
    sid, handshake = await application.in_time(application.connected.get())
    return client, sid, handshake.pid


RECOVERS: dict[str, Any] = {"auth": {"recover": True}}


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize(("version", "parser"), [(LATEST, ""), (FIRST, ""), (LATEST, "msgpack")])
async def test_a_client_has_the_offset_after_every_kind_of_event(
    application: Application,
    clients: NodeClients,
    version: str,
    parser: str,
    transports: tuple[str, ...],
) -> None:
    options = with_msgpack(version, RECOVERS) if parser else {"version": version, **RECOVERS}
    client, sid, pid = await connect(application, clients, transports=transports, **options)
    assert (await client.state())["pid"] == pid
    engine, offsets = application.engine, Offsets(application)

    async def offset_of(send: Callable[[], object], name: str, *args: object) -> None:
        offsets.move()
        send()
        report = await client.next("event", name)
        assert report.args == (*args, offsets.latest)
        assert (await client.state())["offset"] == offsets.latest

    await offset_of(lambda: engine.fan_out("all", Text("hello")), "message", "hello")
    await offset_of(lambda: engine.tell(sid, Text("hello")), "message", "hello")
    engine.set_delivery(sid, Delivery.EVENT)
    await offset_of(lambda: engine.fan_out("all", Text("hello")), "news", {"body": "hello"})
    await offset_of(lambda: engine.send(sid, "nothing"), "nothing")
    await offset_of(lambda: engine.emit([sid], "text", 1, "last"), "text", 1, "last")
    await offset_of(lambda: engine.send_room("all", "bytes", b"\x01"), "bytes", {"binary": "AQ=="})
    await offset_of(
        lambda: engine.send(sid, "object", {"a": [b"\x02"]}), "object", {"a": [{"binary": "Ag=="}]}
    )
    emitting = asyncio.Event()

    async def emit() -> None:
        await application.sio.emit("emitted", "by a plug-in")
        emitting.set()

    await offset_of(lambda: asyncio.ensure_future(emit()), "emitted", "by a plug-in")
    await emitting.wait()


@pytest.mark.parametrize("version", [LATEST, FIRST])
async def test_an_answer_and_a_question_do_not_change_the_offset(
    application: Application, clients: NodeClients, version: str
) -> None:
    client, sid, _ = await connect(application, clients, version=version, **RECOVERS)
    offsets = Offsets(application)
    offsets.move()
    application.engine.send(sid, "news")
    await client.next("event", "news")
    before = offsets.latest
    offsets.move()
    assert await client.call("ask", "text") == ["text"]
    await application.sio.emit("question", "text", to=sid, callback=lambda: None)
    assert (await client.next("event", "question")).args == ("text",)
    assert (await client.state())["offset"] == before


@pytest.mark.parametrize("version", [LATEST, FIRST, LAST_WITHOUT, "4.0.0", "2.5.0"])
async def test_a_client_that_does_not_ask_gets_no_argument_more(
    application: Application, clients: NodeClients, version: str
) -> None:
    client, sid, pid = await connect(application, clients, version=version)
    Offsets(application).move()
    application.engine.fan_out("all", Text("hello"))
    application.engine.send(sid, "nothing")
    assert (await client.next("event", "message")).args == ("hello",)
    assert (await client.next("event", "nothing")).args == ()
    state = await client.state()
    assert (pid, state["pid"], state["offset"]) == ("", None, None)


async def test_a_client_that_knows_no_recovery_ignores_the_pid(
    application: Application, clients: NodeClients
) -> None:
    client, sid, _ = await connect(application, clients, version=LAST_WITHOUT, **RECOVERS)
    offsets = Offsets(application)
    offsets.move()
    application.engine.send(sid, "news", "text")
    assert (await client.next("event", "news")).args == ("text", offsets.latest)
    await client.cut()
    await client.next("connect")
    state = await client.state()
    assert state["connected"] is True
    assert (state["pid"], state["recovered"]) == (None, None)
    assert not application.recoveries


@pytest.mark.parametrize("transports", TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("version", [LATEST, FIRST])
@pytest.mark.parametrize(
    "options", [RECOVERS, {}, {"query": {"recover": "1"}}], ids=["auth", "default", "query"]
)
async def test_a_client_recovers_its_session(
    clients: NodeClients, version: str, options: dict[str, Any], transports: tuple[str, ...]
) -> None:
    settings = EngineSettings(recover_by_default=not options)
    async with running(settings, recovers=True) as application:
        client, sid, pid = await connect(
            application, clients, version=version, transports=transports, **options
        )
        offsets = Offsets(application)
        offsets.move()
        application.engine.send(sid, "news")
        await client.next("event", "news")

        async def restore(given: str) -> RestoredSession | None:
            return RestoredSession(sid, pid) if given == pid else None

        application.restore = restore
        application.greeting = ("missed 1", "missed 2")
        for times in range(1, 3):
            await client.cut()
            await application.last_gone()
            assert (await application.in_time(application.connected.get()))[0] == sid
            for event in application.greeting:
                assert (await client.next("event", event)).args == (offsets.latest,)
            assert application.recoveries == [(pid, offsets.latest)] * times
            state = await client.state()
            assert (state["recovered"], state["id"], state["pid"]) == (True, sid, pid)
        kinds = [report.kind for report in client.log if report.kind in ("connect", "event")]
        assert kinds == ["connect", "event", *["connect", "event", "event"] * 2]


async def test_a_client_that_is_not_restored_keeps_its_offset_and_sends_it_with_its_new_pid(
    application: Application, clients: NodeClients
) -> None:
    client, sid, pid = await connect(application, clients, **RECOVERS)
    offsets = Offsets(application)
    offsets.move()
    application.engine.send(sid, "news")
    await client.next("event", "news")
    await client.cut()
    await client.next("connect")
    new_sid, handshake = await application.in_time(application.connected.get())
    state = await client.state()
    assert (state["recovered"], state["id"], state["pid"]) == (False, new_sid, handshake.pid)
    assert new_sid != sid
    await client.cut()
    await client.next("connect")
    assert application.recoveries == [(pid, offsets.latest), (handshake.pid, offsets.latest)]
