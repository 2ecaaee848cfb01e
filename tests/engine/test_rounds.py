"""A round: every recipient gets every message once, in order, at most one lap after it got on."""

import random

import pytest

from hornet.engine.rooms.circular import CircularBroadcast
from hornet.engine.wire.prepared import Prepared, PreparedMessage
from tests.engine.application import Text
from tests.engine.test_fanout import Recipient, table_of


def message(text: str) -> PreparedMessage:
    return PreparedMessage(Text(text))


@pytest.mark.parametrize("seed", range(20))
def test_each_recipient_gets_each_message_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    table, sessions = table_of(chance.randint(1, 40))
    messages = [message("0")]
    turning = CircularBroadcast(table.everyone, table.everyone.line_up(), messages)
    got: dict[str, list[Prepared]] = {session.sid: [] for session in sessions}
    for step in range(200):
        if step < 150 and chance.random() < 0.4:
            messages.append(message(str(step)))
            turning.add(messages[-1])
        owed = {session.sid: turning.owes(session) for session in sessions}
        assert all(got[session.sid] + owed[session.sid] == messages for session in sessions)
        start, stop, plan = turning.take(chance.randint(1, 50))
        for session in turning.recipients.sessions[start:stop]:
            assert session.sid is not None
            assert list(plan.messages) == owed[session.sid]
            got[session.sid] += plan.messages
        if turning.is_over:
            break
    while not turning.is_over:
        start, stop, plan = turning.take(7)
        for session in turning.recipients.sessions[start:stop]:
            assert session.sid is not None
            got[session.sid] += plan.messages
    assert all(received == messages for received in got.values())


def test_a_message_that_gets_on_late_is_over_one_lap_later() -> None:
    table, _ = table_of(10)
    first, second = message("first"), message("second")
    turning = CircularBroadcast(table.everyone, table.everyone.line_up(), [first])
    turning.take(4)
    turning.add(second)
    laps = []
    while not turning.is_over:
        start, stop, plan = turning.take(100)
        laps.append((stop - start, list(plan.messages)))
    assert laps == [(6, [first, second]), (4, [second])]


def test_nothing_gets_on_once_the_room_has_changed() -> None:
    table, sessions = table_of(3)
    turning = CircularBroadcast(table.everyone, table.everyone.line_up(), [message("1")])
    assert table.everyone.round is turning
    assert turning.may_concern(sessions[0])
    table.add("new", Recipient("new"))  # type: ignore[arg-type]  # has all that is asked of a session
    assert table.everyone.round is None
    assert not turning.may_concern(sessions[0])
    assert turning.owes(sessions[0])


def test_an_outsider_is_owed_nothing() -> None:
    table, _ = table_of(3)
    turning = CircularBroadcast(table.everyone, table.everyone.line_up(), [message("1")])
    assert turning.owes(Recipient("outsider")) == []  # type: ignore[arg-type]  # has all that is asked of one
