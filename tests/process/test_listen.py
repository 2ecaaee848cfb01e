"""The addresses on which a server listens, and the errors that prevent it."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from hornet.core.errors import SetupError
from hornet.process.listen import bind_ports, bind_unix, listening, take_inherited, tls_context
from hornet.web.settings import ServerSettings
from tests.certificates import Certificates

# A port


def refused(settings: ServerSettings) -> str:
    with pytest.raises(SetupError) as raised:
        bind_ports(settings)
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


def test_by_default_both_families_are_listened_on_at_the_same_port() -> None:
    with listening(ServerSettings(port=0), {}) as sockets:
        assert [bound.family for bound in sockets] == [socket.AF_INET, socket.AF_INET6]
        [port] = {bound.getsockname()[1] for bound in sockets}
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)) as client:
                assert client.getpeername()[1] == port


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET6, ("::1", 0, 0, 0)), (socket.AF_INET, ("127.0.0.1", 0))]
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", address) for family, address in both],
    )
    with listening(ServerSettings(host="both.example", port=0), {}) as sockets:
        assert {bound.getsockname()[0] for bound in sockets} == {"127.0.0.1", "::1"}


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6_the_rest_is_listened_on(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class OnlyIpv4(socket.socket):
        def __init__(self, family: int = -1, *args: Any, **options: Any) -> None:
            if family == socket.AF_INET6 and number == errno.EAFNOSUPPORT:
                raise OSError(number, os.strerror(number))
            super().__init__(family, *args, **options)

        def bind(self, address: Any) -> None:
            if self.family == socket.AF_INET6:
                raise OSError(number, os.strerror(number))
            super().bind(address)

    monkeypatch.setattr("socket.socket", OnlyIpv4)
    with listening(ServerSettings(port=0), {}) as [bound]:
        assert bound.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_port_that_is_busy_for_one_family_is_busy(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as busy:
        port = busy.getsockname()[1]
        assert f"Port {port} is in use" in refused(ServerSettings(port=port))


# A Unix socket


def test_a_unix_socket_is_open_to_owner_and_group_and_removed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "hornet.sock"
    with listening(ServerSettings(unix_socket=str(path)), {}) as [bound]:
        assert bound.getsockname() == str(path)
        assert path.stat().st_mode & 0o777 == 0o660
    assert not path.exists()


def test_a_unix_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "hornet.sock"
    bind_unix(path).close()
    assert path.exists()
    bind_unix(path).close()


@pytest.mark.parametrize("kind", ["listener", "file"])
def test_what_is_in_use_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hornet.sock"
    if kind == "file":
        path.write_text("precious")
    with socket.socket(socket.AF_UNIX) as other:
        if kind == "listener":
            other.bind(str(path))
            other.listen()
        with pytest.raises(SetupError, match="exists already") as raised:
            bind_unix(path)
    assert str(path) in str(raised.value)
    assert path.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="No such file"):
        bind_unix(tmp_path / "missing" / "hornet.sock")


# Sockets from systemd

TAKE = """
import os, socket
opened = socket.create_server(("127.0.0.1", 0))
os.dup2(opened.fileno(), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
from hornet.process.listen import take_inherited
[taken] = take_inherited(os.environ)
print(taken.getsockname() == opened.getsockname(), taken.get_inheritable(), "LISTEN_FDS" in os.environ)
"""


def test_a_socket_that_systemd_opened_is_taken_over() -> None:
    done = subprocess.run([sys.executable, "-c", TAKE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False"]


def test_sockets_that_are_meant_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "http"}
    assert take_inherited(environment) == []
    assert environment == {}


# TLS


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def tls_refused(cert: str, key: str) -> str:
    with pytest.raises(SetupError) as raised:
        tls_context(ServerSettings(tls_cert=cert, tls_key=key))
    said = str(raised.value)
    assert said.endswith(".")
    assert "_ssl.c" not in said
    return said


def test_a_missing_tls_file_is_named(certificates: Certificates) -> None:
    assert "/no/cert.pem can't be read: No such file" in tls_refused("/no/cert.pem", certificates.key)
    assert "/no/key.pem can't be read: No such file" in tls_refused(certificates.cert, "/no/key.pem")


def test_unusable_tls_files_are_named_and_no_password_is_asked_for(
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
