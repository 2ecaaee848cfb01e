"""The server as a process: its socket, its TLS, its signals."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hornet import serving
from hornet.core.errors import SetupError
from hornet.web.settings import ServerSettings
from tests.broker.servers import silent_server
from tests.conftest import Valkey
from tests.e2e.server import ServerProcess, free_port, server_environment
from tests.e2e.waiting import eventually

SERVER = (sys.executable, "-m", "hornet")


# hornet-server: its socket


def refused(settings: ServerSettings) -> str:
    with pytest.raises(SetupError) as raised:
        serving._listen(settings).close()
    return str(raised.value)


def test_a_busy_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        said = refused(ServerSettings(host="127.0.0.1", port=port))
    assert f"Port {port} is in use" in said
    assert "--port" in said


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 64 + ".example", "a b"])
def test_an_unknown_host_is_named(host: str) -> None:
    assert f"{host!r} is not known" in refused(ServerSettings(host=host, port=0))


def test_an_address_of_another_machine_is_named() -> None:
    said = refused(ServerSettings(host="192.0.2.1", port=0))
    assert "192.0.2.1 is not one of this machine's" in said


def test_a_forbidden_port_is_named_with_what_to_do() -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
        pytest.skip("every user of this machine may listen on every port")
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        said = refused(ServerSettings(host="127.0.0.1", port=80))
    finally:
        if was_root:
            os.seteuid(0)
    assert "may not listen on port 80" in said
    assert "--port" in said


async def test_it_serves_where_nobody_reads_what_it_prints(valkey: Valkey) -> None:
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


# hornet-server: TLS


class Certificates:
    """A certificate for localhost and its authority, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.folder = folder
        self.cert = str(folder / "cert.pem")
        self.key = str(folder / "key.pem")
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(self.cert, append=number > 0)
        issued.private_key_pem.write_to_path(self.key)

    def write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    @property
    def encrypted_key(self) -> str:
        key = load_pem_private_key(Path(self.key).read_bytes(), None)
        encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        return self.write("encrypted.pem", encrypted)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def tls_refused(cert: str, key: str) -> str:
    with pytest.raises(SetupError) as raised:
        serving._tls(ServerSettings(tls_cert=cert, tls_key=key))
    said = str(raised.value)
    assert said.endswith(".")
    assert "_ssl.c" not in said
    return said


def test_a_missing_tls_file_is_named(certificates: Certificates) -> None:
    assert "/no/cert.pem can't be read: No such file" in tls_refused("/no/cert.pem", certificates.key)
    assert "/no/key.pem can't be read: No such file" in tls_refused(certificates.cert, "/no/key.pem")


def test_tls_files_that_can_not_be_used_are_named_and_nobody_is_asked_for_a_password(
    certificates: Certificates,
) -> None:
    stranger = certificates.write("stranger.pem", trustme.CA().issue_cert("x").private_key_pem.bytes())
    garbage = certificates.write("garbage.pem", b"garbage")
    for cert, key in (
        (certificates.cert, stranger),
        (certificates.cert, garbage),
        (garbage, certificates.key),
        (certificates.cert, certificates.encrypted_key),
    ):
        said = tls_refused(cert, key)
        assert cert in said
        assert key in said


async def test_tls_is_served_and_who_speaks_plain_http_to_it_does_no_harm(
    certificates: Certificates, valkey: Valkey
) -> None:
    server = ServerProcess(
        "--port", "0", "--redis", valkey.url, "--tls-cert", certificates.cert, "--tls-key", certificates.key
    )
    try:
        found = await asyncio.to_thread(server.wait_for_output, r"https://localhost:(\d+)", 20)
        port = found.group(1)
        context = ssl.create_default_context()
        certificates.authority.configure_trust(context)
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
def test_a_signal_during_the_start_ends_it_at_once_and_without_a_word(number: signal.Signals) -> None:
    with silent_server() as silent:
        server = ServerProcess(
            "--port", "0", "--redis-timeout", "60", "--redis", f"redis://127.0.0.1:{silent.getsockname()[1]}"
        )
        try:
            connection, _ = silent.accept()
            server.process.send_signal(number)
            assert server.wait(5) == 0
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
    _, err = process.communicate(timeout=20)
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
            await asyncio.to_thread(server.wait_for_output, "Letting 2 sessions go", 10)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait, 8) == 0
            assert "Traceback" not in server.output
    finally:
        server.sweep()
