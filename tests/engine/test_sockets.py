"""The compiled loop over the sockets, and which sockets it may have."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from hornet.engine.counts import Counts
from hornet.engine.fanout import SLICE, FanOut
from hornet.engine.prepared import PreparedMessage
from hornet.engine.rooms import RoomTable
from hornet.engine.sockets import MOST, NO_SOCKET, SendEach, find_send_each, plain_socket
from tests.engine.application import Text, running

Run = Callable[[Coroutine[Any, Any, None]], None]


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
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in either event loop: each has transports of its own."""
    if request.param == "asyncio":
        return asyncio.run
    found: Run = pytest.importorskip("uvloop").run
    return found


def numbers(sockets: list[socket.socket]) -> list[int]:
    return [one.fileno() for one in sockets]


def test_every_socket_gets_the_bytes(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(50)
    assert send_each(numbers(ours), b"hello") == []
    assert [peer.recv(100) for peer in peers] == [b"hello"] * 50


def test_no_sockets_are_no_work(send_each: SendEach) -> None:
    assert send_each([], b"hello") == []


def test_a_socket_that_takes_a_part_or_nothing_is_told_and_holds_up_no_other(
    send_each: SendEach, pairs: Any
) -> None:
    ours, peers = pairs(3)
    data = b"x" * 5_000_000
    [(_, part), *_] = send_each(numbers(ours[:1]), data)
    assert 0 < part < len(data)
    assert send_each(numbers(ours), b"more") == [(0, 0)]
    assert [peer.recv(100) for peer in peers[1:]] == [b"more"] * 2


def test_an_error_of_a_socket_is_nothing_sent_and_holds_up_no_other(send_each: SendEach, pairs: Any) -> None:
    ours, peers = pairs(3)
    peers[1].close()
    assert send_each(numbers(ours), b"hello") == [(1, 0)]
    assert [peers[at].recv(100) for at in (0, 2)] == [b"hello"] * 2


@pytest.mark.parametrize(
    ("sockets", "data", "error"),
    [
        ([0] * (MOST + 1), b"", ValueError),
        ([-1], b"", ValueError),
        ([2**31], b"", ValueError),
        ([2**100], b"", OverflowError),
        (["1"], b"", TypeError),
        ((1,), b"", TypeError),
        ([], "text", TypeError),
    ],
)
def test_what_is_no_list_of_sockets_is_refused(
    send_each: SendEach, sockets: Any, data: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        send_each(sockets, data)


def test_a_slice_of_the_fan_out_is_one_call() -> None:
    assert SLICE <= MOST


class Connection:
    """A session as the fan-out sees it, on a real transport."""

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self.sid, self.kind, self.ws = str(number), 0, transport
        self.socket = plain_socket(transport)

    def sids(self) -> list[str]:
        return [self.sid]

    def write_message(self, message: PreparedMessage) -> None:
        self.ws.write(message.frames(self.kind))


def test_readers_that_fall_behind_lose_nothing_and_get_it_in_order(
    run: Run, send_each: SendEach, pairs: Any
) -> None:
    """Buffers of the kernel fill up and empty again and again, while messages take all roads there are."""

    async def scenario() -> None:
        ours, peers = pairs(20)
        loop, table = asyncio.get_running_loop(), RoomTable()
        sessions: list[Any] = []
        for number, one in enumerate(ours):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            one.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, one.dup())
            sessions.append(Connection(number, transport))
            assert sessions[-1].socket == transport.get_extra_info("socket").fileno()
            table.add(str(number), sessions[-1])
        fanout = FanOut(Counts(), send_each)
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
        async with asyncio.timeout(30):
            while received != wanted:
                assert all(wanted[sid].startswith(received[sid]) for sid in wanted)
                read(1)
                await asyncio.sleep(0)
        for session in sessions:
            session.ws.close()

    run(scenario())


def test_a_peer_that_is_gone_ends_its_own_connection_only(run: Run, send_each: SendEach, pairs: Any) -> None:
    class Ended(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = asyncio.Event()

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set()

    async def scenario() -> None:
        ours, peers = pairs(3)
        loop, table, ended = asyncio.get_running_loop(), RoomTable(), []
        for number, one in enumerate(ours):
            one.setblocking(False)
            transport, protocol = await loop.connect_accepted_socket(Ended, one.dup())
            transport.pause_reading()  # or it would hear of the end without writing
            table.add(str(number), Connection(number, transport))  # type: ignore[arg-type]  # has all it takes
            ended.append(protocol)
        peers[1].close()
        fanout = FanOut(Counts(), send_each)
        fanout.to_room(table.everyone, PreparedMessage(Text("hello")))
        async with asyncio.timeout(10):
            await ended[1].lost.wait()
        assert [protocol.lost.is_set() for protocol in ended] == [False, True, False]
        assert all(b"hello" in peers[at].recv(100) for at in (0, 2))
        for session in table.everyone.members.values():
            session.ws.close()  # type: ignore[union-attr]  # it is there

    run(scenario())


async def test_a_session_has_a_socket_only_while_its_websocket_carries_it() -> None:
    async with running() as application:
        eio_sid, _ = await application.open_polling()
        polling = application.engine.sio.eio.sockets[eio_sid]
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
