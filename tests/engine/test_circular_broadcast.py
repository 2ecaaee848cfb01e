"""A circular broadcast: every recipient gets every message once, in order, within one lap."""

import random

import pytest

from hornet.engine.rooms.broadcast import CircularBroadcast
from hornet.engine.wire.prepared import Prepared
from tests.engine.recipient import Recipient, message, table_of


@pytest.mark.parametrize("seed", range(20))
def test_each_recipient_gets_each_message_once_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    table, sessions = table_of(chance.randint(1, 40))
    messages = [message("0")]
    broadcast = CircularBroadcast(table.everyone, table.everyone.recipients(), messages)
    got: dict[str, list[Prepared]] = {session.sid: [] for session in sessions}
    for step in range(200):
        if step < 150 and chance.random() < 0.4:
            messages.append(message(str(step)))
            broadcast.add(messages[-1])
        unsent = {session.sid: broadcast.unsent(session) for session in sessions}
        assert all(got[session.sid] + unsent[session.sid] == messages for session in sessions)
        start, stop, batch = broadcast.take(chance.randint(1, 50))
        for session in broadcast.recipients.sessions[start:stop]:
            assert session.sid is not None
            assert list(batch.messages) == unsent[session.sid]
            got[session.sid] += batch.messages
        if broadcast.is_over:
            break
    while not broadcast.is_over:
        start, stop, batch = broadcast.take(7)
        for session in broadcast.recipients.sessions[start:stop]:
            assert session.sid is not None
            got[session.sid] += batch.messages
    assert all(received == messages for received in got.values())


def test_a_message_that_joins_late_is_done_one_lap_later() -> None:
    table, _ = table_of(10)
    first, second = message("first"), message("second")
    broadcast = CircularBroadcast(table.everyone, table.everyone.recipients(), [first])
    broadcast.take(4)
    broadcast.add(second)
    laps = []
    while not broadcast.is_over:
        start, stop, batch = broadcast.take(100)
        laps.append((stop - start, list(batch.messages)))
    assert laps == [(6, [first, second]), (4, [second])]


def test_a_closed_broadcast_lets_no_message_join_and_still_sends_what_it_has() -> None:
    table, sessions = table_of(3)
    broadcast = CircularBroadcast(table.everyone, table.everyone.recipients(), [message("1")])
    assert broadcast.may_reach(sessions[0])
    broadcast.close()
    assert broadcast.room is None
    assert not broadcast.may_reach(sessions[0])
    assert broadcast.unsent(sessions[0])


def test_nothing_is_unsent_to_an_outsider() -> None:
    table, _ = table_of(3)
    broadcast = CircularBroadcast(table.everyone, table.everyone.recipients(), [message("1")])
    assert broadcast.unsent(Recipient("outsider")) == []  # type: ignore[arg-type]  # has all that is asked of one
