"""The engine's own methods: rooms, the choice of recipients, forms of a message, and the end of a session."""

from collections.abc import AsyncIterator, Callable
from typing import ClassVar

import aiohttp
import pytest

from hornet.engine import Delivery, Engine, EngineSettings, PreparedMessage
from tests.engine.application import Application, Text, running
from tests.engine.caller import until
from tests.engine.compiled import COMPILED


@pytest.fixture(params=COMPILED)
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    async with running(EngineSettings(compiled=request.param)) as started:
        yield started


async def test_only_and_skip_choose_among_the_members(application: Application) -> None:
    (first, first_sid), (second, _) = [await application.open_websocket() for _ in range(2)]
    engine = application.engine
    assert engine.fan_out("all", Text("both")) == 2
    assert engine.fan_out("all", Text("first"), only=[first_sid, "nobody"]) == 1
    assert engine.fan_out("all", Text("second"), skip={first_sid}) == 1
    assert engine.fan_out("all", Text("none"), only=[]) == 0
    assert engine.fan_out("empty", Text("none")) == 0
    assert [await first.receive_str() for _ in range(2)] == ['42["message","both"]', '42["message","first"]']
    assert [await second.receive_str() for _ in range(2)] == [
        '42["message","both"]',
        '42["message","second"]',
    ]


async def test_each_session_gets_the_form_it_wants_and_each_form_is_asked_for_once(
    application: Application,
) -> None:
    class Asked(Text):
        asked: ClassVar[list[str]] = []

        def message_text(self) -> str:
            self.asked.append("text")
            return super().message_text()

        def event(self) -> tuple[str, object]:
            self.asked.append("event")
            return super().event()

    sockets = [await application.open_websocket() for _ in range(4)]
    for _, sid in sockets[:2]:
        application.engine.set_delivery(sid, Delivery.EVENT)
    eio_sid, _ = await application.open_polling()
    application.engine.fan_out("all", Asked("x"))
    event, text = '42["news",{"body":"x"}]', '42["message","x"]'
    assert [await ws.receive_str() for ws, _ in sockets] == [event, event, text, text]
    assert await application.poll(eio_sid) == text
    assert sorted(Asked.asked) == ["event", "text"]


async def test_enter_and_leave_tell_who_was_first_and_who_was_last(application: Application) -> None:
    _, one = await application.open_websocket()
    ws, two = await application.open_websocket()
    engine = application.engine
    assert (engine.enter(one, "r"), engine.enter(two, "r"), engine.enter(two, "r")) == (True, False, False)
    assert set(engine.members("r")) == {one, two}
    assert (engine.leave(one, "r"), engine.leave(one, "r"), engine.leave(two, "r")) == (False, False, True)
    assert engine.enter("nobody", "r") is False
    engine.enter(two, "r")
    await ws.close()
    assert (await application.last_gone())[0] == two
    await until(lambda: two not in engine.members("all"))
    assert list(engine.members("r")) == []


@pytest.mark.parametrize(("end", "last"), [(Engine.disconnect, "41"), (Engine.close, None)])
async def test_closing_sends_what_was_queued_first(
    application: Application, end: Callable[[Engine, str], None], last: str | None
) -> None:
    ws, sid = await application.open_websocket()
    application.engine.send(sid, "bye")
    end(application.engine, sid)
    received = [m.data async for m in ws if m.type is aiohttp.WSMsgType.TEXT]
    assert received == ['42["bye"]', *([last] if last else [])]


async def test_a_prepared_message_that_is_told_to_many_is_encoded_once(application: Application) -> None:
    class Counted(Text):
        texts: ClassVar[list[str]] = []

        def message_text(self) -> str:
            self.texts.append(self.body)
            return super().message_text()

    sockets = [await application.open_websocket() for _ in range(3)]
    message = PreparedMessage(Counted("x"))
    for ws, sid in sockets:
        application.engine.tell(sid, message)
        assert await ws.receive_str() == '42["message","x"]'
    assert Counted.texts == ["x"]
