"""The load generator counts every delivery once, however the bytes arrive, and says what is missing."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.generator import Report, parse_report
from tests.benchmarks.publishing_server import (
    PING,
    PONG,
    TEXT,
    PublishingServer,
    credentials,
    frame,
    publishing_server,
)

CLIENTS = 5
MESSAGES = 60
ANSWER_S = 20.0
SMALL = (0, 5, 30, 100, 126, 300)
TOKENS = [f"token-{i}-{'z' * 200}" for i in range(CLIENTS)]
RAW = ("--protocol", "raw")
LARGE = (0, 60, 126, 300, 65_000, 65_536, 70_000, 200_000)


class Load:
    """A running load generator, spoken to in its own commands."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(ANSWER_S):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def command(self, text: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        return await self.line()

    async def report(self) -> Report:
        return parse_report(await self.line())


@asynccontextmanager
async def load(program: Path, port: int, *options: str) -> AsyncIterator[Load]:
    process = await asyncio.create_subprocess_exec(
        program, "--port", str(port), "--clients", str(CLIENTS), "--life", "60", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def raw_clients(program: Path) -> AsyncIterator[tuple[PublishingServer, Load]]:
    """A server and clients that speak nothing but WebSocket."""
    async with publishing_server(socketio=False) as server, load(program, server.port, *RAW) as generator:
        yield server, generator


def stamped(padding: int, *, escaped: bool) -> bytes:
    """A message as a server sends it: as an object, or as JSON inside a string."""
    quote = b'\\"' if escaped else b'"'
    return b'42["message",{%st%s:%d,"p":"%s"}]' % (quote, quote, time.monotonic_ns(), b"x" * padding)


def content(paddings: tuple[int, ...], *, escaped: bool) -> Callable[[], list[bytes]]:
    """Frames of every length with pings and unstamped messages between them."""

    def make() -> list[bytes]:
        chosen = random.Random(1)
        parts = []
        for number in range(MESSAGES):
            parts.append(frame(stamped(chosen.choice(paddings), escaped=escaped)))
            if number % 7 == 0:
                parts.append(frame(b"hey", PING))
            if number % 11 == 0:
                parts.append(frame(b'42["other","no stamp"]'))
        return parts

    return make


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text("".join(f"{credentials(token)}\n" for token in TOKENS))
    return path


@pytest.mark.parametrize("escaped", [False, True], ids=["object", "string"])
@pytest.mark.parametrize(("paddings", "step"), [(SMALL, 1), (LARGE, 8191)], ids=["torn", "coalesced"])
@pytest.mark.parametrize("protocol", ["raw", "socketio"])
async def test_every_frame_is_counted_once_however_it_arrives(
    load_program: Path, token_file: Path, protocol: str, paddings: tuple[int, ...], step: int, escaped: bool
) -> None:
    tokens = ("--token-file", str(token_file)) if protocol == "socketio" else ()
    async with (
        publishing_server(socketio=protocol == "socketio") as server,
        load(load_program, server.port, "--protocol", protocol, *tokens) as generator,
    ):
        assert (await generator.line()).startswith(f'READY {{"ready":{CLIENTS},"failed":0')
        assert await generator.command(f"run {CLIENTS * MESSAGES} 15") == "ARMED"
        server.publish(content(paddings, escaped=escaped), step)
        report = await generator.report()
    assert report.deliveries == report.expected == CLIENTS * MESSAGES
    assert report.least_per_client == report.most_per_client == MESSAGES
    assert report.receivers == CLIENTS
    assert report.wrong == report.dropped == 0
    assert 0 < report.latency_ms.p50 <= report.latency_ms.p99 <= report.latency_ms.max


async def test_each_client_shows_its_own_token(load_program: Path, token_file: Path) -> None:
    async with (
        publishing_server() as server,
        load(load_program, server.port, "--token-file", str(token_file)) as generator,
    ):
        await generator.line()
    assert sorted(server.shown) == sorted(map(credentials, TOKENS))


async def test_pings_are_answered(load_program: Path, token_file: Path) -> None:
    async with (
        publishing_server() as server,
        load(load_program, server.port, "--token-file", str(token_file)) as generator,
    ):
        await generator.line()
        await generator.command(f"run {CLIENTS} 15")
        server.publish(lambda: [frame(b"hey", PING), frame(b"2"), frame(stamped(0, escaped=False))])
        await generator.report()
        async with asyncio.timeout(ANSWER_S):
            answers = [await server.answers.get() for _ in range(2 * CLIENTS)]
    assert sorted(set(answers)) == [(TEXT, b"3"), (PONG, b"hey")]


async def test_polling_clients_count_like_the_others_and_are_told_apart(
    load_program: Path, token_file: Path
) -> None:
    every = ("--poll-every", "1", "--token-file", str(token_file))
    async with publishing_server() as server, load(load_program, server.port, *every) as generator:
        assert (await generator.line()).startswith("READY")
        await generator.command(f"run {CLIENTS * MESSAGES} 15")
        server.publish(lambda: [stamped(100, escaped=True) for _ in range(MESSAGES)])
        report = await generator.report()
        async with asyncio.timeout(ANSWER_S):
            answers = [await server.answers.get() for _ in range(CLIENTS)]
    assert report.polling_ms.count == report.deliveries == CLIENTS * MESSAGES
    assert report.websocket_ms.count == report.wrong == 0
    assert set(answers) == {(TEXT, b"3")}, "a ping in a poll is answered with a post"


async def test_what_is_missing_at_the_deadline_shows_as_wrong(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        await generator.command(f"run {CLIENTS * 3} 0.5")
        server.publish(lambda: [frame(stamped(0, escaped=False)), frame(stamped(0, escaped=False))])
        report = await generator.report()
    assert (report.expected, report.deliveries, report.wrong) == (CLIENTS * 3, CLIENTS * 2, CLIENTS)


async def test_what_comes_late_or_twice_shows_in_the_next_report(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        await generator.command(f"run {CLIENTS} 15")
        server.publish(lambda: [frame(stamped(0, escaped=False))] * 2)
        first = await generator.report()
        await generator.command(f"run {CLIENTS * 10} 0.5")  # more than come: it hears them all out
        second = await generator.report()
    assert first.wrong + second.stray_before + second.deliveries == CLIENTS


async def test_messages_out_of_order_are_counted(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        await generator.command(f"run {CLIENTS * 2} 15")
        server.publish(lambda: [frame(stamped(0, escaped=False)) for _ in range(2)][::-1])
        report = await generator.report()
    assert report.out_of_order == report.wrong == CLIENTS


async def test_stalled_clients_read_nothing_more(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        assert await generator.command("stall 2") == "STALLED"
        await generator.command(f"run {CLIENTS * 2} 0.5")
        server.publish(lambda: [frame(stamped(0, escaped=False)) for _ in range(2)])
        report = await generator.report()
    assert report.deliveries == (CLIENTS - 2) * 2
    assert report.receivers == CLIENTS - 2
    assert report.stalled_dropped == 0


async def test_closed_connections_are_counted(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        await generator.command("stall 2")
        await generator.command("run 1 0.5")
        server.close_clients()
        report = await generator.report()
    assert (report.dropped, report.stalled_dropped) == (CLIENTS - 2, 2)


async def test_a_stalled_client_finds_out_that_it_was_closed_once_it_reads_again(load_program: Path) -> None:
    size = 8_000_000  # more than the kernel takes for a client that does not read
    async with raw_clients(load_program) as (server, generator):
        await generator.line()
        await generator.command("stall 1")
        await generator.command(f"run {(CLIENTS - 1) * 50} 15")
        server.publish(lambda: [frame(stamped(size // 50, escaped=False))] * 50, then_close=True)
        stalled = await generator.report()
        assert await generator.command("resume") == "RESUMED"
        await generator.command("run 1 1")
        resumed = await generator.report()
    assert (stalled.stalled_dropped, resumed.stalled_dropped) == (0, 1)


async def test_the_load_generator_ends_when_nobody_lets_its_clients_in(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, "--ready-deadline", "0.3") as generator,
    ):
        assert (await generator.line()).startswith('READY {"ready":0')
        async with asyncio.timeout(ANSWER_S):
            assert await generator.process.wait() == 3


async def test_the_load_generator_ends_with_the_program_that_started_it(load_program: Path) -> None:
    async with (
        publishing_server(socketio=False) as server,
        load(load_program, server.port, *RAW) as generator,
    ):
        await generator.line()
        assert generator.process.stdin is not None
        generator.process.stdin.close()
        async with asyncio.timeout(ANSWER_S):
            assert await generator.process.wait() == os.EX_OK


async def test_the_load_generator_refuses_a_target_that_is_not_this_machine(load_program: Path) -> None:
    async with load(load_program, 1, "--host", "192.0.2.1") as generator:
        async with asyncio.timeout(ANSWER_S):
            _, complaint = await generator.process.communicate()
    assert b"unknown option" in complaint
    assert generator.process.returncode == 2
