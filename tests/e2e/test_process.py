"""``hornet-server`` as an operator meets it: help, mistakes, signals, the embedded Valkey."""

import os
import re
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, RedisError

from hornet._version import __version__
from hornet.config import options
from tests.conftest import StartServer, Valkey
from tests.e2e.backend import Backend
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess, free_port, server_environment
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.client import Client


def run(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``hornet-server`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hornet", *words],
        env={**server_environment(), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence that a failed start prints."""
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


async def pings(port: int) -> bool:
    """Whether a Redis answers on the port."""
    async with Redis(port=port) as client:
        try:
            return bool(await client.ping())
        except ConnectionError:
            return False


def test_help_names_every_option() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    named = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
    assert {option.flag for option in options()} | {"--config", "--no-demo", "--version"} <= named


def test_version_is_told() -> None:
    assert __version__ in run("--version").stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--no-such-option",), "--no-such-option"),
        (("--port", "many"), "many"),
        (("--port", "65536"), "port"),
        (("--config", "/nonexistent.toml"), "/nonexistent.toml"),
        (("--redis", "http://127.0.0.1"), "redis"),
    ],
)
def test_a_wrong_option_is_one_sentence_that_names_it(words: tuple[str, ...], named: str) -> None:
    assert named in complaint(run(*words))


def test_an_unknown_environment_variable_is_one_sentence_that_names_it() -> None:
    assert "HORNET_PROT" in complaint(run(environment={"HORNET_PROT": "1"}))


def test_a_busy_port_is_one_sentence_that_names_it(valkey: Valkey) -> None:
    with socket.create_server(("0.0.0.0", 0)) as busy:
        port = str(busy.getsockname()[1])
        assert port in complaint(run("--port", port, "--redis", valkey.url))


def test_an_unreachable_redis_is_one_sentence_that_names_it() -> None:
    port = str(free_port())
    said = complaint(run("--port", "0", "--redis", f"redis://:secret@127.0.0.1:{port}"))
    assert port in said
    assert "secret" not in said


async def test_sigterm_ends_the_server_with_exit_code_0(
    clients: NodeClients, start_server: StartServer, backend: Backend, prefix: str
) -> None:
    server = start_server("--drain-window", "0.5")
    channel = f"{prefix}news"
    client = await clients.connect(server.url, reconnection=False)
    await client.show(await backend.token(channel), channel)
    assert (await client.event())["type"] == "connected"
    server.process.send_signal(signal.SIGTERM)
    farewell = await client.event()
    assert farewell["channel"] == "hornet"
    await client.next("disconnect")
    assert server.wait() == 0
    assert "Traceback" not in server.output


def test_sigint_ends_the_server_without_a_traceback(start_server: StartServer) -> None:
    server = start_server()
    server.process.send_signal(signal.SIGINT)
    assert server.wait() in (0, 130)
    assert "Traceback" not in server.output


async def test_the_embedded_valkey_serves_where_no_redis_answers_and_ends_with_the_server(
    clients: NodeClients, start_server: StartServer, prefix: str
) -> None:
    port = free_port()
    server = start_server("--embedded-port", str(port), redis=None)
    assert str(port) in server.output
    async with Redis(port=port) as redis:
        backend = Backend(redis)
        channel = f"{prefix}news"
        client = await clients.connect(server.url)
        await client.show(await backend.token(channel), channel)
        assert (await client.event())["type"] == "connected"
        assert await backend.publish(channel, "news") == 1
        assert (await client.event())["type"] == "news"
        await client.disconnect()
        valkey_pid = (await redis.info("server"))["process_id"]
    assert server.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(valkey_pid, 0)


async def test_an_embedded_valkey_that_crashes_comes_back_and_so_does_all_else(
    start_server: StartServer,
) -> None:
    port = free_port()
    server = start_server("--embedded-port", str(port), redis=None)
    async with Redis(port=port) as redis:
        backend = Backend(redis)
        auth = {"token": await backend.token("news"), "channels": ["news"]}
        async with Client(f"{server.url}/", auth, "") as client:
            assert (await client.message())["type"] == "connected"
            for number in range(2):
                os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)

                async def heard(number: int = number) -> int:
                    try:
                        return await backend.publish("news", f"message {number}")
                    except RedisError:
                        return 0

                await eventually(heard, 1)
                assert (await client.message())["type"] == f"message {number}"
            async with aiohttp.request("GET", f"{server.url}/metrics") as response:
                assert "hornet_embedded_restarts_total 2.0" in await response.text()
    assert server.stop() == 0
    assert server.output.count("The embedded Valkey ended") == 2
    assert "Traceback" not in server.output


async def test_the_embedded_valkey_is_gone_after_the_server_was_killed(start_server: StartServer) -> None:
    port = free_port()
    server = start_server("--embedded-port", str(port), redis=None)
    assert await pings(port)
    server.kill()
    await eventually(lambda: pings(port), False)


async def test_a_redis_that_answers_is_used_and_left_alone(
    start_server: StartServer, valkey: Valkey, redis: Redis
) -> None:
    before = (await redis.info("server"))["run_id"]
    server = start_server("--embedded-port", str(valkey.port), redis=None)
    assert str(valkey.port) in server.output
    assert server.stop() == 0
    assert (await redis.info("server"))["run_id"] == before


def test_two_servers_can_not_share_a_port(start_server: StartServer, valkey: Valkey) -> None:
    first: ServerProcess = start_server()
    assert str(first.port) in complaint(run("--port", str(first.port), "--redis", valkey.url))
