"""The load generator comes back to its sessions, and says which of them were recovered, with what."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.generator import Report
from tests.benchmarks.publishing_server import OPEN_PACKET, frame, read_frame
from tests.benchmarks.test_load_generator import CLIENTS, Load, load

MISSED = 3
AUTH = '{"token":"t","recover":true}'


def message(offset: str) -> bytes:
    """Return a message in a JSON string, with its offset as one more argument."""
    text = json.dumps({"type": "news", "t": time.monotonic_ns()})
    return frame(f"42{json.dumps(['message', text, offset])}".encode())


class Node:
    """One server of Socket.IO, which lets clients in with a sid and a pid, or recovers them."""

    def __init__(
        self, *, recovers: bool = True, refuses: bool = False, before_the_answer: bool = False
    ) -> None:
        self.port = 0
        self.shown: list[dict[str, object]] = []
        self._recovers, self._refuses, self._early = recovers, refuses, before_the_answer
        self._sent: dict[str, str] = {}
        self._leave = asyncio.Event()

    def close_clients(self) -> None:
        self._leave.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            writer.write(frame(OPEN_PACKET.encode()))
            auth = json.loads((await read_frame(reader))[1].removeprefix(b"40"))
            self.shown.append(auth)
            if not self._refuses:
                self._let_in(auth.get("pid"), writer)
                await self._leave.wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _let_in(self, pid: str | None, writer: asyncio.StreamWriter) -> None:
        number = len(self.shown)
        again = pid is not None and self._recovers
        session = pid.removeprefix("pid-") if pid is not None and again else f"new-{self.port}-{number}"
        missed = b"".join(message(f"missed-{i}") for i in range(MISSED)) if again else b""
        joined = frame(f'40{{"sid":"{session}","pid":"pid-{session}"}}'.encode())
        writer.write(missed + joined if self._early else joined + missed)
        told = json.dumps(["message", '{"type":"connected"}', f"offset-{session}"])
        writer.write(frame(f"42{told}".encode()))
        writer.write(frame(b'42["notice","{\\"type\\":\\"no offset\\"}"]'))


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    listening = await asyncio.start_server(node.serve, "127.0.0.1", 0)
    node.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield node
        node.close_clients()


@pytest.fixture
def auth_file(tmp_path: Path) -> Path:
    path = tmp_path / "auth"
    path.write_text(f"{AUTH}\n")
    return path


async def returned(program: Path, auth_file: Path, first: Node, second: Node, how: str = "") -> Report:
    """Connect clients to one node, end these connections, and bring the clients back to the other node."""
    options = ("--auth", "1", "--token-file", str(auth_file), "--ready-marker", "connected")
    async with running(first), running(second), load(program, first.port, *options) as generator:
        assert f'"recoverable":{CLIENTS}' in await generator.line()
        assert await generator.command(f"run {2**63} 15") == "ARMED"
        if how:
            await generator.command(how)
        else:
            first.close_clients()
        await everyone_away(generator)
        assert await generator.command(f"return {second.port} {MISSED}") == "RETURNING"
        return await generator.report()


async def everyone_away(generator: Load) -> None:
    async with asyncio.timeout(20):
        while await generator.command("away") != f"AWAY {CLIENTS}":
            pass


@pytest.mark.parametrize("early", [False, True], ids=["after the answer", "before the answer"])
@pytest.mark.parametrize("how", ["", "cut"], ids=["closed by the server", "cut by the clients"])
async def test_clients_come_back_to_their_sessions_and_get_what_they_missed(
    load_program: Path, auth_file: Path, early: bool, how: str
) -> None:
    second = Node(before_the_answer=early)
    report = await returned(load_program, auth_file, Node(), second, how)
    assert (report.recovered, report.fresh, report.failed) == (CLIENTS, 0, 0)
    assert report.to_recovered == report.deliveries == report.expected == CLIENTS * MISSED
    assert report.repeated == report.out_of_order == 0
    assert 0 < report.returned_s <= report.all_back_s


async def test_clients_show_their_pid_and_the_last_offset_when_they_come_back(
    load_program: Path, auth_file: Path
) -> None:
    first, second = Node(), Node()
    await returned(load_program, auth_file, first, second)
    assert first.shown == [json.loads(AUTH)] * CLIENTS
    for auth in second.shown:
        session = str(auth.pop("pid")).removeprefix("pid-")
        assert auth.pop("offset") == f"offset-{session}"
        assert auth == json.loads(AUTH)


async def test_nothing_is_owed_to_clients_that_get_another_session(
    load_program: Path, auth_file: Path
) -> None:
    report = await returned(load_program, auth_file, Node(), Node(recovers=False))
    assert (report.recovered, report.fresh, report.failed) == (0, CLIENTS, 0)
    assert report.expected == report.deliveries == 0


async def test_clients_that_are_not_let_in_again_are_counted(load_program: Path, auth_file: Path) -> None:
    report = await returned(load_program, auth_file, Node(), Node(refuses=True))
    assert (report.recovered, report.fresh, report.failed) == (0, 0, CLIENTS)
