"""The compiled loop over the sockets, and which sockets it may have."""

import asyncio
import socket
from array import array
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from hornet.engine.counts import Counts
from hornet.engine.rooms.broadcast import SLICE, FanOut
from hornet.engine.rooms.rooms import RoomTable
from hornet.engine.transport.direct_write import (
    MOST,
    NO_LEASE,
    NO_SOCKET,
    NOT_TRIED,
    SendEach,
    WriteLeases,
    find_send_each,
    plain_socket,
)
from hornet.engine.wire.prepared import PreparedMessage
from tests.e2e.waiting import DEADLINE_S
from tests.engine.application import Text, running

Runner = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def send_each() -> SendEach:
    found = find_send_each()
    if found is None:
        pytest.skip("the compiled loop was not built")
    return found


@pytest.fixture
def pairs() -> Iterator[Callable[[int], tuple[list[socket.socket], list[socket.socket]]]]:
    """Makes pairs of connected sockets: ours, and their peers."""
    with ExitStack() as stack:

        def make(count: int) -> tuple[list[socket.socket], list[socket.socket]]:
            made = [socket.socketpair() for _ in range(count)]
            for ours, peer in made:
                stack.enter_context(ours)
                stack.enter_context(peer)
            return [ours for ours, _ in made], [peer for _, peer in made]

        yield make


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a coroutine in either event loop: each has transports of its own."""
    if request.param == "asyncio":
        return asyncio.run
    found: Runner = pytest.importorskip("uvloop").run
    return found


def lined_up(sockets: list[socket.socket]) -> tuple[Any, Any, Any, int, int]:
    """The arguments of ``send_each`` for all of them, with valid leases."""
    leases = WriteLeases()
    numbers = array("i", [one.fileno() for one in sockets])
    row = array("Q", [leases.grant(number) for number in numbers])
    for number, lease in zip(numbers, row, strict=True):
        leases.renew(number, lease)
    return numbers, row, leases.valid, 0, len(numbers)


def test_every_socket_gets_the_bytes(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(50)
    assert send_each(*lined_up(ours), b"hello") == []
    assert [peer.recv(100) for peer in peers] == [b"hello"] * 50


def test_only_those_from_start_to_stop_are_written_to(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(5)
    numbers, row, valid, _, _ = lined_up(ours)
    assert send_each(numbers, row, valid, 1, 3, b"hello") == []
    assert send_each(numbers, row, valid, 3, 3, b"none") == []
    assert send_each(numbers, row, valid, 0, 5, b"all") == []
    assert [peer.recv(100) for peer in peers] == [b"all", b"helloall", b"helloall", b"all", b"all"]


def test_a_socket_that_takes_a_part_or_nothing_is_told_and_holds_up_no_other(
    send_each: SendEach, pairs: Any
) -> None:
    ours, peers = pairs(3)
    data = b"x" * 5_000_000
    [(_, part), *_] = send_each(*lined_up(ours[:1]), data)
    assert 0 < part < len(data)
    assert send_each(*lined_up(ours), b"more") == [(0, 0)]
    assert [peer.recv(100) for peer in peers[1:]] == [b"more"] * 2


def test_an_error_of_a_socket_is_nothing_sent_and_holds_up_no_other(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(3)
    peers[1].close()
    assert send_each(*lined_up(ours), b"hello") == [(1, 0)]
    assert [peers[at].recv(100) for at in (0, 2)] == [b"hello"] * 2


def test_a_socket_is_not_tried_unless_its_lease_is_valid(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(4)
    numbers, row, _, start, stop = lined_up(ours)
    leases = WriteLeases()
    fresh = [leases.grant(number) for number in numbers]
    leases.renew(numbers[0], fresh[0])  # the one that passes: they are given out in the same order
    leases.renew(numbers[2], fresh[2] + 10)  # of another session that has the socket now
    row[3], leases.valid[numbers[3]] = NO_LEASE, NO_LEASE
    assert row[0] == fresh[0]
    assert send_each(numbers, row, leases.valid, start, stop, b"hello") == [
        (1, NOT_TRIED),
        (2, NOT_TRIED),
        (3, NOT_TRIED),
    ]
    assert peers[0].recv(100) == b"hello"


def test_a_number_that_no_lease_was_granted_for_is_not_tried(send_each: SendEach) -> None:
    numbers, row = array("i", [-1, 5, 2**31 - 1]), array("Q", [1, 1, 1])
    assert send_each(numbers, row, array("Q", [0, 1]), 0, 3, b"hello") == [
        (0, NOT_TRIED),
        (1, NOT_TRIED),
        (2, NOT_TRIED),
    ]


@pytest.mark.parametrize(
    ("sockets", "row", "start", "stop", "data", "error"),
    [
        (array("i", [-1]) * (MOST + 1), array("Q", [0]) * (MOST + 1), 0, MOST + 1, b"", ValueError),
        (array("i", [-1]), array("Q", [0]), 0, 2, b"", ValueError),
        (array("i", [-1, -1]), array("Q", [0]), 0, 2, b"", ValueError),
        (array("i", [-1]), array("Q", [0]), 1, 0, b"", ValueError),
        (array("i", [-1]), array("Q", [0]), -1, 0, b"", ValueError),
        (array("q", [-1]), array("Q", [0]), 0, 1, b"", ValueError),
        (array("i", [-1]), array("I", [0]), 0, 1, b"", ValueError),
        ([-1], array("Q", [0]), 0, 1, b"", TypeError),
        (array("i"), array("Q"), 0, 0, "text", TypeError),
    ],
)
def test_what_are_no_sockets_with_leases_is_refused(
    send_each: SendEach, sockets: Any, row: Any, start: int, stop: int, data: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        send_each(sockets, row, array("Q"), start, stop, data)


class TestWriteLeases:
    def test_a_lease_is_valid_from_its_renewal_until_it_is_revoked(self) -> None:
        leases = WriteLeases()
        lease = leases.grant(5)
        assert leases.valid[5] == NO_LEASE
        leases.renew(5, lease)
        assert leases.valid[5] == lease
        leases.revoke(5)
        assert leases.valid[5] == NO_LEASE

    def test_a_new_lease_for_a_socket_makes_the_old_one_worthless(self) -> None:
        leases = WriteLeases()
        before = leases.grant(5)
        leases.renew(5, before)
        after = leases.grant(5)
        assert leases.valid[5] == NO_LEASE
        leases.renew(5, after)
        assert leases.valid[5] != before

    def test_there_is_no_lease_where_there_is_no_socket(self) -> None:
        leases = WriteLeases()
        assert leases.grant(NO_SOCKET) == NO_LEASE
        leases.revoke(NO_SOCKET)

    def test_the_table_of_leases_grows_with_the_numbers_of_the_sockets(self) -> None:
        leases = WriteLeases()
        row = [leases.grant(number) for number in (3, 0, 1000, 70_000)]
        leases.renew(70_000, row[-1])
        assert len(set(row)) == 4
        assert leases.valid[70_000] == row[-1]


def test_a_slice_of_the_fan_out_is_one_call() -> None:
    assert SLICE <= MOST


class Connection:
    """A session as the fan-out sees it, on a real transport."""

    def __init__(self, number: int, transport: asyncio.Transport, leases: WriteLeases) -> None:
        self.sid, self.wire_format, self.ws, self.leases = str(number), 0, transport, leases
        self.socket = plain_socket(transport)
        self.lease = leases.grant(self.socket)

    def sids(self) -> list[str]:
        return [self.sid]

    @property
    def is_clear(self) -> bool:
        return not self.ws.get_write_buffer_size() and not self.ws.is_closing()

    def put(self, frames: bytes) -> None:
        self.leases.revoke(self.socket)
        self.ws.write(frames)

    def write_message(self, message: PreparedMessage) -> None:
        self.put(message.frames(self.wire_format))


def test_readers_that_fall_behind_lose_nothing_and_get_it_in_order(
    run: Runner, send_each: SendEach, pairs: Any
) -> None:
    """Buffers of the kernel fill up and empty again and again, while messages take all roads there are."""

    async def scenario() -> None:
        ours, peers = pairs(20)
        loop, table, leases = asyncio.get_running_loop(), RoomTable(), WriteLeases()
        sessions: list[Any] = []
        for number, one in enumerate(ours):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            one.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, one.dup())
            sessions.append(Connection(number, transport, leases))
            assert sessions[-1].socket == transport.get_extra_info("socket").fileno()
            table.add(str(number), sessions[-1])
        fanout = FanOut(counts=Counts(), leases=leases, send_each=send_each)
        expected: dict[str, list[bytes]] = {session.sid: [] for session in sessions}
        received = {session.sid: b"" for session in sessions}

        def read(only: int) -> None:
            for number, peer in enumerate(peers):
                if number % only == 0:
                    with suppress(BlockingIOError):
                        received[str(number)] += peer.recv(50_000, socket.MSG_DONTWAIT)

        for number in range(400):
            message = PreparedMessage(Text(f"{number:<{number * 7 % 3000}}"))
            if number % 9 == 0:
                single = sessions[number % 20]
                fanout.to_session(single, message)
                expected[single.sid].append(message.frames(0))
            else:
                fanout.to_room(table.everyone, message)
                for frames in expected.values():
                    frames.append(message.frames(0))
            if number % 3 == 0:
                await asyncio.sleep(0)
            read(number % 5 + 1)
        wanted = {sid: b"".join(frames) for sid, frames in expected.items()}
        async with asyncio.timeout(DEADLINE_S):
            while received != wanted:
                assert all(wanted[sid].startswith(received[sid]) for sid in wanted)
                read(1)
                await asyncio.sleep(0)
        for session in sessions:
            session.ws.close()

    run(scenario())


def test_a_peer_that_is_gone_ends_its_own_connection_only(
    run: Runner, send_each: SendEach, pairs: Any
) -> None:
    class Ended(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = asyncio.Event()

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set()

    async def scenario() -> None:
        ours, peers = pairs(3)
        loop, table, leases, ended = asyncio.get_running_loop(), RoomTable(), WriteLeases(), []
        for number, one in enumerate(ours):
            one.setblocking(False)
            transport, protocol = await loop.connect_accepted_socket(Ended, one.dup())
            transport.pause_reading()  # or it would hear of the end without writing
            table.add(str(number), Connection(number, transport, leases))  # type: ignore[arg-type]  # has all it takes
            ended.append(protocol)
        peers[1].close()
        fanout = FanOut(counts=Counts(), leases=leases, send_each=send_each)
        fanout.to_room(table.everyone, PreparedMessage(Text("hello")))
        async with asyncio.timeout(DEADLINE_S):
            await ended[1].lost.wait()
        assert [protocol.lost.is_set() for protocol in ended] == [False, True, False]
        assert all(b"hello" in peers[at].recv(100) for at in (0, 2))
        for session in table.everyone.members.values():
            session.ws.close()  # type: ignore[union-attr]  # it is there

    run(scenario())


async def test_a_session_has_a_socket_only_while_its_websocket_carries_it() -> None:
    async with running() as application:
        eio_sid, _ = await application.open_polling()
        polling = application.engine.sio.eio.table.sessions[eio_sid]
        ws, sid = await application.open_websocket()
        session = application.engine._table.get(sid)
        assert session is not None
        assert session.ws is not None
        assert session.socket == session.ws.get_extra_info("socket").fileno()
        assert polling.socket == NO_SOCKET
        await ws.close()
        await application.last_gone()
        assert session.ws is None
        assert session.socket == NO_SOCKET
