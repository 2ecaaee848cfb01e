"""The server as a process: its socket, its TLS, its signals."""

import asyncio
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from hornet.connector import AsyncConnector
from tests.broker.servers import RedisServer, silent_server
from tests.certificates import Certificates
from tests.conftest import Valkey
from tests.e2e.server import ServerProcess, free_port, server_environment
from tests.e2e.waiting import DEADLINE_S, eventually
from tests.flows.client import Client

SERVER = (sys.executable, "-m", "hornet")


# hornet-server: what it prints


async def test_a_server_serves_where_nobody_reads_its_output(valkey: Valkey) -> None:
    port = free_port()
    read, write = os.pipe()
    os.close(read)
    process = await asyncio.create_subprocess_exec(
        *SERVER, "--port", str(port), "--redis", valkey.url,
        stdout=write, stderr=asyncio.subprocess.PIPE, env=server_environment(),
    )  # fmt: skip
    os.close(write)

    async def status() -> int:
        try:
            return await get_status(f"http://127.0.0.1:{port}/health/ready")
        except aiohttp.ClientError:
            return 0

    await eventually(status, 200)
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err


async def get_status(url: str, tls: ssl.SSLContext | None = None) -> int:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls or True) as response:
        return response.status


# hornet-server: who may use the API without a key


@pytest.mark.parametrize(
    ("options", "is_open"), [((), False), (("--keyless-api", "local"), True)], ids=["default", "local"]
)
async def test_the_unix_socket_needs_a_key_unless_the_operator_opens_it(
    valkey: Valkey, tmp_path: Path, options: tuple[str, ...], is_open: bool
) -> None:
    path = str(tmp_path / "hornet.sock")
    server = ServerProcess("--unix-socket", path, "--redis", valkey.url, *options)
    try:
        await asyncio.to_thread(server.wait_for_output, "Client ")
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http:
            async with http.get("http://localhost/api/nodes") as answer:
                assert answer.status == (200 if is_open else 403)
            async with http.get("http://localhost/health/ready") as answer:
                assert answer.status == 200
        assert server.stop() == 0
        assert ("open to programs on this machine" in server.stdout) is is_open
    finally:
        server.sweep()


@pytest.mark.parametrize(
    ("options", "is_open"),
    [
        ((), True),
        (("--api-keys", "shop:publish:0123456789abcdef"), False),
        (("--keyless-api", "closed"), False),
        (("--no-api",), False),
    ],
    ids=["default", "with a key", "closed", "no API"],
)
def test_the_start_says_whether_the_api_is_open(
    valkey: Valkey, options: tuple[str, ...], is_open: bool
) -> None:
    server = ServerProcess("--port", "0", "--redis", valkey.url, *options)
    try:
        server.wait_for_output("Try it ")
        assert ("open to programs on this machine: no key is configured" in server.stdout) is is_open
    finally:
        server.sweep()


# hornet-server: TLS


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def test_tls_is_served_and_plain_http_on_its_port_does_no_harm(
    certificates: Certificates, valkey: Valkey
) -> None:
    server = ServerProcess(
        "--port", "0", "--redis", valkey.url, "--tls-cert", certificates.cert, "--tls-key", certificates.key
    )
    try:
        found = await asyncio.to_thread(server.wait_for_output, r"https://localhost:(\d+)", 20)
        port = found.group(1)
        context = certificates.client_context()
        assert await get_status(f"https://localhost:{port}/health/ready", context) == 200
        with pytest.raises(aiohttp.ClientError):
            await get_status(f"http://localhost:{port}/health/ready")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await get_status(f"https://localhost:{port}/health/ready")
        assert await get_status(f"https://localhost:{port}/health/live", context) == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output
    finally:
        server.sweep()


# hornet-server: signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_the_server_at_once_and_silently(number: signal.Signals) -> None:
    with silent_server() as silent:
        server = ServerProcess(
            "--port", "0", "--redis-timeout", "60", "--redis", f"redis://127.0.0.1:{silent.getsockname()[1]}"
        )
        try:
            connection, _ = silent.accept()
            server.process.send_signal(number)
            assert server.wait() == 0
            assert server.output == ""
            connection.close()
        finally:
            server.sweep()


def test_a_signal_while_the_embedded_valkey_starts_leaves_nothing(tmp_path: Path) -> None:
    port = free_port()
    process = subprocess.Popen(
        [*SERVER, "--port", "0", "--embedded-port", str(port)],
        env={**server_environment(), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        signal.sigtimedwait([], 0.005)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_second_sigterm_ends_a_long_farewell(valkey: Valkey) -> None:
    server = ServerProcess("--port", "0", "--redis", valkey.url, "--drain-window", "60")
    try:
        url = await asyncio.to_thread(lambda: server.url)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as one,
            session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as two,
        ):
            for websocket in (one, two):
                await websocket.receive()
                await websocket.send_str("40")
                assert str((await websocket.receive()).data).startswith("40{")
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.wait_for_output, "Letting 2 sessions go")
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, 8) == 0
            assert "Traceback" not in server.output
    finally:
        server.sweep()


# hornet-server: its configuration, read again


def test_sighup_reads_the_configuration_again_and_a_wrong_one_changes_nothing(
    valkey: Valkey, tmp_path: Path
) -> None:
    file = tmp_path / "hornet.toml"
    file.write_text('allowed_origins = ["https://a.example"]')
    server = ServerProcess("--port", "0", "--redis", valkey.url, "--config", str(file))
    try:
        assert page_status(server.port, "https://b.example") == 403
        file.write_text('allowed_origins = ["https://b.example"]\nlog_level = "debug"\nping_interval = 3')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_output("changed: allowed_origins, log_level")
        server.wait_for_output("Only a restart can change: ping_interval")
        assert page_status(server.port, "https://b.example") == 200
        file.write_text("allowed_origin = 7")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_output("The configuration stays as it was: Unknown option 'allowed_origin'")
        assert page_status(server.port, "https://b.example") == 200
        assert server.stop() == 0
    finally:
        server.sweep()


def page_status(port: int, origin: str) -> int:
    """How a page of ``origin`` is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/socket.io/?EIO=4&transport=polling", headers={"Origin": origin})
    status = connection.getresponse().status
    connection.close()
    return status


# hornet-server: under systemd


def test_systemd_is_told_of_the_start_a_reload_and_the_stop(
    valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(DEADLINE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
        server = ServerProcess("--port", "0", "--redis", valkey.url)
        try:
            assert systemd.recv(1000) == b"READY=1"
            server.process.send_signal(signal.SIGHUP)
            assert systemd.recv(1000).startswith(b"RELOADING=1\n")
            assert systemd.recv(1000) == b"READY=1"
            server.process.send_signal(signal.SIGTERM)
            assert systemd.recv(1000) == b"STOPPING=1"
            assert server.wait() == 0
        finally:
            server.sweep()


ACTIVATE = """
import os, socket, sys
opened = socket.create_server(("127.0.0.1", 0))
os.dup2(opened.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-m", "hornet", *sys.argv[1:]])
"""


async def test_a_server_serves_on_a_socket_that_systemd_opened(valkey: Valkey) -> None:
    program = (sys.executable, "-c", ACTIVATE)
    server = ServerProcess("--port", "1", "--redis", valkey.url, program=program)
    try:
        url = await asyncio.to_thread(lambda: server.url)
        assert await get_status(f"{url}/health/ready") == 200
        assert server.stop() == 0
    finally:
        server.sweep()


# hornet-server: a Unix socket


async def test_a_server_serves_a_proxy_through_a_unix_socket(valkey: Valkey, tmp_path: Path) -> None:
    path = tmp_path / "hornet.sock"
    server = ServerProcess(
        "--unix-socket", str(path), "--redis", valkey.url, "--trusted-proxies", "unix", "--drain-window", "0"
    )
    try:
        await asyncio.to_thread(server.wait_for_output, f"Listening  {path}", 20)
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
            session.ws_connect(
                "http://hornet/socket.io/?EIO=4&transport=websocket",
                headers={"X-Forwarded-For": "203.0.113.9, 192.0.2.7"},
            ) as websocket,
        ):
            await websocket.receive()
            await websocket.send_str("40")
            await asyncio.to_thread(server.wait_for_output, "opened from 192.0.2.7")
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == 0
        assert not path.exists()
        assert "Traceback" not in server.output
    finally:
        server.sweep()


# hornet-server: its log


async def test_the_log_names_sessions_and_no_secret() -> None:
    secret, payload = "pass-of-redis", "text-of-a-message"
    redis = RedisServer("--requirepass", secret)
    url = f"redis://:{secret}@127.0.0.1:{redis.port}/0"
    server = ServerProcess("--port", "0", "--redis", url, "--log-level", "debug", "--log-format", "json")
    try:
        http_url = await asyncio.to_thread(lambda: server.url)
        async with AsyncConnector(url) as backend:
            token = await backend.create_access_token(["news"])
            other = await backend.create_access_token(["news"])
            async with Client(f"{http_url}/", {"token": token, "channels": ["news"]}, "") as client:
                assert (await client.message())["type"] == "connected"
                await backend.publish("news", "headline", {"text": payload})
                assert (await client.message())["text"] == payload
                await client.show(other, "elsewhere")
                assert (await client.message())["error"] == "WRONG_TOKEN_ASSOCIATION"
                await client.emit("no-such-event", {"token": other})
                await backend.redis.publish("hornet:channel:news", payload)
                await asyncio.to_thread(server.wait_for_output, "Dropped a publish")
                sid = client.sid
                redis.kill()
                await asyncio.to_thread(server.wait_for_output, "No subscription connection")
                await client.show(other, "news")
                assert (await client.message())["error"] == "UNAVAILABLE"
        redis.start()
        await asyncio.to_thread(server.wait_for_output, "is back")
        assert server.stop() == 0
    finally:
        server.sweep()
        redis.remove()
    for word in (secret, payload, token, other):
        assert word not in server.output
    lines = [json.loads(line) for line in server.stderr.splitlines()]
    assert {line["level"] for line in lines} >= {"info", "warning"}
    about = [line for line in lines if sid in line["message"]]
    assert len(about) >= 3
    assert {line["session"] for line in about} == {sid}
