"""The rooms of one node: who is in which, and what a change costs and tells."""

import time

from hornet.engine.rooms.rooms import Room, RoomTable
from tests.engine.recipient import Recipient, table_of


def test_a_room_calls_on_change_before_each_change_of_its_members() -> None:
    table, [first, second] = table_of(2)
    table.enter(first.sid, "room")
    room = table.room("room")
    calls: list[list[str]] = []

    def on_change(changing: Room) -> None:
        assert changing is room
        calls.append(list(room.members))

    room.on_change = on_change
    table.enter(second.sid, "room")
    table.enter(second.sid, "room")  # no change
    table.leave(first.sid, "room")
    table.remove(second.sid)
    assert calls == [["s0"], ["s0", "s1"], ["s1"]]


def test_a_room_keeps_its_recipients_until_its_members_change() -> None:
    table, sessions = table_of(2)
    before = table.everyone.recipients()
    assert table.everyone.recipients() is before
    assert before.sessions == sessions
    table.remove("s0")
    assert table.everyone.recipients().sessions == sessions[1:]


def test_a_session_is_a_room_by_its_own_id() -> None:
    table, [session] = table_of(1)
    assert list(table.room("s0").members.values()) == [session]
    assert len(table) == 0


def test_the_room_of_an_unknown_name_is_empty_and_in_no_table() -> None:
    table, [session] = table_of(1)
    table.room("unknown").members["s0"] = session
    assert not table.room("unknown").members
    assert not RoomTable().room("unknown").members


def test_a_departure_costs_its_own_rooms_among_100_000() -> None:
    table, resident = RoomTable(), Recipient("resident")
    table.add("resident", resident)  # type: ignore[arg-type]  # has all that is asked of a session
    for number in range(100_000):
        table.enter("resident", f"room {number}")

    def come_and_go() -> float:
        start = time.process_time()
        for number in range(100):
            sid = f"guest {number}"
            table.add(sid, Recipient(sid))  # type: ignore[arg-type]  # as above
            for room in range(5):
                table.enter(sid, f"room {room}")
            assert len(table.rooms_of(sid)) == 5
            table.remove(sid)
        return (time.process_time() - start) / 100

    assert min(come_and_go() for _ in range(3)) < 0.001, "the stock manager takes some 10 ms"
