"""The fan-out: the messages of each recipient, their order, and which messages wait for others."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from hornet.engine import Delivery, EngineSettings
from hornet.engine.rooms.broadcast import FEW, SLICE
from tests.engine.application import Application, Text, running
from tests.engine.compiled import COMPILED
from tests.engine.recipient import Recipient, fan_out_to, message, settle, table_of

WAYS = pytest.mark.parametrize("way", ["transports", "sockets"])


@pytest.fixture(params=COMPILED)
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    async with running(EngineSettings(compiled=request.param)) as started:
        yield started


@WAYS
async def test_messages_of_one_turn_are_one_write(way: str) -> None:
    table, sessions = table_of(SLICE * 2 + 7)
    fanout = fan_out_to(sessions, way)
    for number in range(5):
        fanout.to_room(table.everyone, message(str(number)))
    await settle(fanout)
    assert {(session.writes, tuple(session.texts)) for session in sessions} == {
        (1, ("0", "1", "2", "3", "4"))
    }


@WAYS
async def test_a_socket_gets_messages_of_all_its_rooms_in_the_order_of_the_calls(way: str) -> None:
    table, sessions = table_of(60)
    for number, session in enumerate(sessions):
        for room in ("even", "odd")[number % 2], "third" if number % 3 == 0 else "rest":
            table.enter(session.sid, room)
    fanout = fan_out_to(sessions, way)
    expected: dict[str, list[str]] = {session.sid: [] for session in sessions}

    def send(text: str, room: str) -> None:
        for sid in table.members(room):
            expected[sid].append(text)
        fanout.to_room(table.room(room), message(text))

    for number in range(300):
        send(str(number), ("even", "third", "odd", "rest")[number % 4])
        if number % 7 == 0:
            single = sessions[number % 60]
            expected[single.sid].append(f"single {number}")
            fanout.to_session(single, message(f"single {number}"))
        if number % 5 == 0:
            await asyncio.sleep(0)
    await settle(fanout)
    assert {session.sid: session.texts for session in sessions} == expected


@WAYS
@pytest.mark.parametrize("seed", range(15))
async def test_order_holds_whatever_is_sent_while_rooms_change(
    way: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornet.engine.rooms.broadcast.SLICE", 8)
    monkeypatch.setattr("hornet.engine.rooms.broadcast.FEW", 2)
    chance = random.Random(seed)
    table, sessions = table_of(30)
    fanout = fan_out_to(sessions, way)
    expected: dict[str, list[str]] = {session.sid: [] for session in sessions}
    for number in range(400):
        one, room, text = chance.choice(sessions), chance.choice("aaaaab"), str(number)
        match chance.choices(("room", "all", "some", "one", "enter", "leave", "turn"), (9, 3, 1, 1, 4, 1, 9))[
            0
        ]:
            case "room":
                for sid in table.members(room):
                    expected[sid].append(text)
                fanout.to_room(table.room(room), message(text))
            case "all":
                for texts in expected.values():
                    texts.append(text)
                fanout.to_room(table.everyone, message(text))
            case "some":
                some = chance.sample(sessions, chance.choice((1, 2, 10)))
                for session in some:
                    expected[session.sid].append(text)
                fanout.to_sessions(some, message(text))
            case "one":
                expected[one.sid].append(text)
                fanout.to_session(one, message(text))
            case "enter":
                table.enter(one.sid, room)
            case "leave":
                table.leave(one.sid, room)
            case "turn":
                await asyncio.sleep(0)
    await settle(fanout)
    assert {session.sid: session.texts for session in sessions} == expected


@WAYS
async def test_a_message_joins_the_broadcast_that_is_under_way(way: str) -> None:
    table, sessions = table_of(SLICE * 2)
    fanout = fan_out_to(sessions, way)
    fanout.to_room(table.everyone, message("1"))
    await asyncio.sleep(0)
    fanout.to_room(table.everyone, message("2"))
    await settle(fanout)
    assert [session.writes for session in sessions] == [2] * SLICE + [1] * SLICE
    assert {tuple(session.texts) for session in sessions} == {("1", "2")}


@WAYS
async def test_a_message_joins_no_broadcast_of_a_room_that_has_changed(way: str) -> None:
    table, sessions = table_of(SLICE + 3)
    fanout = fan_out_to(sessions, way)
    newcomer = Recipient("newcomer")
    fanout.to_room(table.everyone, message("1"))
    await asyncio.sleep(0)
    table.add(newcomer.sid, newcomer)  # type: ignore[arg-type]  # has all that is asked of a session
    fanout.to_room(table.everyone, message("2"))
    await settle(fanout)
    assert newcomer.texts == ["2"]
    assert {tuple(session.texts) for session in sessions} == {("1", "2")}


@WAYS
async def test_a_session_that_comes_or_goes_in_the_same_turn_gets_what_was_sent_while_inside(
    way: str,
) -> None:
    table, sessions = table_of(FEW + 3)
    leaver, comer, *rest = sessions
    for session in (leaver, *rest):
        table.enter(session.sid, "room")
    fanout = fan_out_to(sessions, way)
    fanout.to_room(table.room("room"), message("1"))
    table.leave(leaver.sid, "room")
    table.enter(comer.sid, "room")
    fanout.to_room(table.room("room"), message("2"))
    await settle(fanout)
    assert (leaver.texts, comer.texts, rest[0].texts) == (["1"], ["2"], ["1", "2"])


@WAYS
async def test_a_small_room_passes_a_large_fan_out_that_is_on_its_way(way: str) -> None:
    table, sessions = table_of(SLICE * 4)
    outsider = Recipient("outsider")
    fanout = fan_out_to(sessions, way)
    for session in sessions:
        table.enter(session.sid, "large")
    table.add(outsider.sid, outsider)  # type: ignore[arg-type]  # has all that is asked of a session
    table.enter(outsider.sid, "small")
    fanout.to_room(table.room("large"), message("large"))
    await asyncio.sleep(0)
    fanout.to_room(table.room("small"), message("small"))
    await asyncio.sleep(0)
    assert outsider.texts == ["small"]
    assert sum(session.writes for session in sessions) <= SLICE * 2
    await settle(fanout)
    assert {tuple(session.texts) for session in sessions} == {("large",)}


@WAYS
async def test_what_is_on_its_way_is_written_before_a_session_closes(way: str) -> None:
    table, sessions = table_of(SLICE * 2)
    fanout = fan_out_to(sessions, way)
    fanout.to_room(table.everyone, message("1"))
    await asyncio.sleep(0)
    waiting = next(session for session in sessions if not session.writes)
    fanout.to_room(table.everyone, message("2"))
    fanout.to_session(waiting, message("3"))
    fanout.flush(waiting)
    assert waiting.texts == ["1", "2", "3"]


@WAYS
async def test_a_message_that_cannot_be_encoded_takes_no_other_with_it(
    caplog: pytest.LogCaptureFixture, way: str
) -> None:
    table, sessions = table_of(FEW + 1)
    fanout = fan_out_to(sessions, way)
    for text in ("before", float("nan"), "after"):
        fanout.to_room(table.everyone, message(text))  # type: ignore[arg-type]  # on purpose
    await settle(fanout)
    assert sessions[0].texts == ["before", "after"]
    assert "can't be encoded" in caplog.text


async def test_a_session_that_changes_its_form_gets_the_next_message_in_it(application: Application) -> None:
    sockets = [await application.open_websocket() for _ in range(FEW + 2)]
    ws, sid = sockets[0]
    application.engine.fan_out("all", Text("1"))
    assert await ws.receive_str() == '42["message","1"]'
    application.engine.set_delivery(sid, Delivery.EVENT)
    for text in ("2", "3"):
        application.engine.fan_out("all", Text(text))
        assert await ws.receive_str() == f'42["news",{{"body":"{text}"}}]'
    assert [await sockets[1][0].receive_str() for _ in range(3)] == [
        f'42["message","{text}"]' for text in ("1", "2", "3")
    ]


async def test_a_session_that_takes_over_the_socket_of_another_gets_no_message_of_the_other(
    application: Application,
) -> None:
    """The room keeps its members in a row from one message to the next, and with them their sockets."""
    leavers = [await application.open_websocket() for _ in range(FEW + 2)]
    for _, sid in leavers:
        application.engine.enter(sid, "room")
    application.engine.fan_out("room", Text("1"))
    assert [await ws.receive_str() for ws, _ in leavers] == ['42["message","1"]'] * len(leavers)
    application.departures.clear()
    for ws, _ in leavers:
        await ws.close()
    comers = [await application.open_websocket() for _ in range(len(leavers))]
    for room, text in (("all", "2"), ("room", "3"), ("all", "4")):
        # The end of those who left is not handled yet, so the room has them still.
        assert application.engine.fan_out(room, Text(text)) >= len(leavers)
        await settle(application.engine._fanout)
    assert [[await ws.receive_str() for _ in range(2)] for ws, _ in comers] == [
        ['42["message","2"]', '42["message","4"]']
    ] * len(comers)
    application.departures.set()
